using System.Text;
using Postroom.Crash;
using Xunit;

namespace Postroom.Tests.Configuration;

/// <summary>AC-90: the search for secrets finds them, also as logins send them.</summary>
public sealed class SecretSearchTests
{
    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("ab")]
    [InlineData("\0bot\0secret-")]
    public void A_secret_is_found_in_clear_and_in_base64_wherever_it_begins(string before)
    {
        string secret = $"{before}canary-1";
        string[] written = [secret, Convert.ToBase64String(Encoding.ASCII.GetBytes(secret)), Convert.ToBase64String(Encoding.ASCII.GetBytes(secret)).TrimEnd('=').Replace('+', '-').Replace('/', '_')];

        Assert.All(written, text => Assert.Throws<InvalidOperationException>(() => Canaries.SearchText("a log", text)));
        Canaries.SearchText("a log", Convert.ToBase64String(Encoding.ASCII.GetBytes($"{before}something else")));
    }

    [Fact]
    public void The_search_of_the_run_looks_for_the_same()
    {
        string script = File.ReadAllText(Path.Combine(Architecture.Repository.Root, "test"));

        Assert.All(new[] { "canary", "Canary", "CANARY" }.SelectMany(static word => Canaries.Base64Of(word).Prepend(word)), word => Assert.Contains(word, script, StringComparison.Ordinal));
    }
}
