using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Host.ProgramRun;

namespace Postroom.Tests.Host;

/// <summary>An address that other machines can reach needs a key, and what to write is said before anything is made.</summary>
public sealed class WideAddressTests : IDisposable
{
    private const string Wide = "server.urls=[\"http://0.0.0.0:1\"]";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Check_finds_it_the_start_makes_no_store_and_both_show_the_form_of_a_key()
    {
        (int check, _, string found) = await RunAsync(_folder.Path, "check", "--set", Wide);
        (int run, _, string refused) = await RunAsync(_folder.Path, "run", "--set", Wide);

        Assert.Equal((3, 3), (check, run));
        Assert.Contains("server.urls has 'http://0.0.0.0:1', which other machines can reach", found, StringComparison.Ordinal);
        Assert.Contains("server.keys: [{ name: ops, role: admin, key:", found, StringComparison.Ordinal);
        Assert.Equal(found, refused);
        Assert.False(File.Exists(Path.Combine(_folder.Path, "data", "postroom.db")));
    }

    [Fact]
    public async Task The_form_that_is_shown_is_taken_and_another_one_is_answered_with_it()
    {
        (int good, string valid, string error) = await RunAsync(
            _folder.Path, "check", "--set", Wide, "--set", "server.keys=[{ name: ops, role: admin, key: \"a key of 32 random characters abcd\" }]");
        (int bad, _, string form) = await RunAsync(_folder.Path, "check", "--set", "server.keys=[abc]");

        Assert.True(good == 0, error);
        Assert.Contains("is valid", valid, StringComparison.Ordinal);
        Assert.Equal(3, bad);
        Assert.Contains("server.keys[0] is a value; it must be a map of settings: { name: …, role: …, key: … }.", form, StringComparison.Ordinal);
    }
}
