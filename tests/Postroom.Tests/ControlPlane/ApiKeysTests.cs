using Microsoft.Extensions.Primitives;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class ApiKeysTests
{
    private readonly SteppedClock _clock = new();
    private readonly MemoryKeys _store = new();
    private readonly ApiKeys _keys;

    public ApiKeysTests() => _keys = new ApiKeys(_store, _clock);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void A_key_is_pr_and_43_base64url_characters_and_never_repeats()
    {
        HashSet<string> keys = [.. Enumerable.Range(0, 1000).Select(_ => ApiKeys.Generate())];

        Assert.Equal(1000, keys.Count);
        Assert.All(keys, key => Assert.Matches("^pr_[A-Za-z0-9_-]{43}$", key));
        Assert.All(keys, key => Assert.True(ApiKeys.IsWellFormed(key)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("pr_")]
    [InlineData("PR_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("pr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("pr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("pr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+")]
    [InlineData("pr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ")]
    public void Other_texts_are_not_keys(string? text) => Assert.False(ApiKeys.IsWellFormed(text));

    [Theory]
    [InlineData("Viewer", true, false, false)]
    [InlineData("Operator", true, true, false)]
    [InlineData("Admin", true, true, true)]
    public async Task A_role_includes_the_ones_before_it(string role, bool views, bool operates, bool administers)
    {
        (string text, _) = await _keys.CreateAsync("ci", Enum.Parse<ApiRole>(role), expiresIn: null, Cancel);

        KeyCheck.Accepted accepted = Assert.IsType<KeyCheck.Accepted>(await CheckAsync($"Bearer {text}"));

        Assert.Equal(views, accepted.Allows(ApiRole.Viewer));
        Assert.Equal(operates, accepted.Allows(ApiRole.Operator));
        Assert.Equal(administers, accepted.Allows(ApiRole.Admin));
    }

    [Fact]
    public async Task Only_the_hash_of_a_key_is_stored()
    {
        (string text, ApiKey key) = await _keys.CreateAsync("ci", ApiRole.Admin, expiresIn: null, Cancel);

        ApiKey stored = Assert.Single(await _store.ListAsync(Cancel));
        Assert.Equal(ApiKeys.HashOf(text), stored.Hash.ToArray());
        Assert.DoesNotContain(text, key.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_ends_at_its_expiry_and_at_its_removal()
    {
        (string expiring, _) = await _keys.CreateAsync("short", ApiRole.Viewer, TimeSpan.FromHours(1), Cancel);
        (string removed, ApiKey key) = await _keys.CreateAsync("gone", ApiRole.Viewer, expiresIn: null, Cancel);
        Assert.IsType<KeyCheck.Accepted>(await CheckAsync($"Bearer {expiring}"));

        _clock.Advance(TimeSpan.FromHours(1));
        Assert.True(await _store.RemoveAsync(key.Id, Cancel));

        Assert.IsType<KeyCheck.Refused>(await CheckAsync($"Bearer {expiring}"));
        Assert.IsType<KeyCheck.Refused>(await CheckAsync($"Bearer {removed}"));
    }

    [Fact]
    public async Task Two_headers_and_other_schemes_are_refused()
    {
        (string text, _) = await _keys.CreateAsync("ci", ApiRole.Admin, expiresIn: null, Cancel);

        Assert.IsType<KeyCheck.Refused>(await CheckAsync(new StringValues([$"Bearer {text}", $"Bearer {text}"])));
        Assert.IsType<KeyCheck.Refused>(await CheckAsync($"Basic {text}"));
        Assert.IsType<KeyCheck.Refused>(await CheckAsync(text));
    }

    [Fact]
    public async Task Ten_failures_of_one_address_block_it_even_with_the_right_key_and_others_are_not_affected()
    {
        (string text, _) = await _keys.CreateAsync("ci", ApiRole.Admin, expiresIn: null, Cancel);
        for (int i = 0; i < 10; i++)
        {
            Assert.IsType<KeyCheck.Refused>(await CheckAsync($"Bearer {ApiKeys.Generate()}"));
        }

        Assert.Equal(6, Assert.IsType<KeyCheck.TooManyFailures>(await CheckAsync($"Bearer {text}")).RetryAfterSeconds);
        Assert.IsType<KeyCheck.Accepted>(await _keys.CheckAsync($"Bearer {text}", "192.0.2.2", Cancel));
        _clock.Advance(TimeSpan.FromSeconds(6));
        Assert.IsType<KeyCheck.Accepted>(await CheckAsync($"Bearer {text}"));
    }

    [Fact]
    public async Task A_request_without_a_key_is_no_guess()
    {
        for (int i = 0; i < 50; i++)
        {
            Assert.IsType<KeyCheck.Refused>(await CheckAsync(StringValues.Empty));
        }
    }

    [Fact]
    public async Task Last_use_is_written_at_most_once_a_minute()
    {
        (string text, _) = await _keys.CreateAsync("ci", ApiRole.Admin, expiresIn: null, Cancel);
        for (int i = 0; i < 5; i++)
        {
            await CheckAsync($"Bearer {text}");
            _clock.Advance(TimeSpan.FromSeconds(20));
        }

        Assert.Equal(3, _store.Saves);
    }

    [Fact]
    public async Task The_admin_key_file_is_readable_by_its_owner_only_and_replaced_in_one_step()
    {
        string folder = Directory.CreateTempSubdirectory("postroom-key").FullName;
        try
        {
            string key = ApiKeys.Generate();
            await AdminKeyFile.WriteAsync(folder, ApiKeys.Generate(), Cancel);
            string path = await AdminKeyFile.WriteAsync(folder, key, Cancel);

            Assert.Equal(key, await AdminKeyFile.ReadAsync(folder, Cancel));
            Assert.Equal(path, Assert.Single(Directory.GetFiles(folder)));
            if (!OperatingSystem.IsWindows())
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private ValueTask<KeyCheck> CheckAsync(StringValues authorization) => _keys.CheckAsync(authorization, "192.0.2.1", Cancel);

    private sealed class MemoryKeys : IApiKeyStore
    {
        private readonly Dictionary<string, ApiKey> _keys = [];

        public int Saves { get; private set; }

        public ValueTask<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken) => new([.. _keys.Values]);

        public ValueTask SaveAsync(ApiKey key, CancellationToken cancellationToken)
        {
            Saves++;
            _keys[key.Id] = key;
            return ValueTask.CompletedTask;
        }

        public ValueTask UseAsync(ApiKey key, DateTimeOffset at, CancellationToken cancellationToken) => SaveAsync(key with { LastUsedAt = at }, cancellationToken);

        public ValueTask<bool> RemoveAsync(string id, CancellationToken cancellationToken) => new(_keys.Remove(id));
    }
}
