using Postroom.Redis;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>AC-17: the suite of the other stores passes unchanged on Redis, each test under a prefix of its own.</summary>
public sealed class RedisStoreTests(RedisStoreTests.Shared shared) : MessageStoreConformance, IClassFixture<RedisStoreTests.Shared>
{
    protected override async ValueTask<IMessageStore> CreateAsync(ManualClock clock)
    {
        RedisOptions options = new() { Url = new Secret(shared.Server.Url), Prefix = $"t{Guid.NewGuid():n}" };
        RedisStore store = new(options, new RetentionOptions(), new Redactor(), clock);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        return store;
    }

    /// <summary>One server for all of them.</summary>
    public sealed class Shared : IAsyncLifetime
    {
        private RedisServer? _server;

        internal RedisServer Server => _server!;

        public async ValueTask InitializeAsync() => _server = await RedisServer.StartAsync();

        public async ValueTask DisposeAsync()
        {
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }
    }
}
