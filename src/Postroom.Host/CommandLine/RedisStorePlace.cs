using Postroom.Hosting;
using Postroom.Redis;

namespace Postroom.Host;

/// <summary>A store on Redis that messages are moved into or out of, while no node lives there (ST-28).</summary>
internal sealed class RedisStorePlace : IAsyncDisposable
{
    private const string Node = "store-move";

    private readonly RedisStore _store;

    private RedisStorePlace(RedisStore store, RedisOptions options)
    {
        _store = store;
        Text = $"{RedisAddress.Parse(options.Url.Reveal())} under '{options.Prefix}'";
    }

    /// <summary>The store.</summary>
    public RedisStore Store => _store;

    /// <summary>Where it is, without the password.</summary>
    public string Text { get; }

    /// <summary>Whether a text names a Redis server.</summary>
    public static bool Is(string url) => Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) && uri.Scheme is "redis" or "rediss" or "unix";

    /// <summary>Opens it as a node that is there for the move alone.</summary>
    /// <exception cref="StoreOpenException">A node lives there, or it cannot be reached.</exception>
    public static async Task<RedisStorePlace> OpenAsync(RedisOptions options, CancellationToken cancellationToken)
    {
        RedisStorePlace place = new(new RedisStore(options, new RetentionOptions(), new Redactor(), new ServerClock(TimeProvider.System)), options);
        try
        {
            await place._store.OpenAsync(new StoreOpening { Node = Node, Home = Node }, cancellationToken);
            return place._store.Nodes.Live.FirstOrDefault(static node => node.Name != Node) is { } other
                ? throw new StoreOpenException(StoreOpenFailure.InUse, $"Node '{other.Name}' (process {other.Record.Process} on {other.Record.Host}) has the store at {place.Text} open. A store is moved while no runtime has it open: stop all nodes, then move it.")
                : place;
        }
        catch
        {
            await place.DisposeAsync();
            throw;
        }
    }

    /// <summary>Carries everything over from another store.</summary>
    public Task<StoreMove> FillAsync(IJournal journal, IFacts facts, IProgress<StoreMove> progress, CancellationToken cancellationToken) =>
        new StoreMover(journal, facts, _store, TimeProvider.System).RunAsync(progress, cancellationToken);

    /// <summary>Notes that all of it is elsewhere now, so that nothing starts on it by mistake; nothing is deleted.</summary>
    public ValueTask SetAsideAsync(string to, CancellationToken cancellationToken) => _store.SetAsideAsync(to, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _store.DisposeAsync();
}
