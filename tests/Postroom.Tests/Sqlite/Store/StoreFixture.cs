using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>A store in a folder of its own that can be closed, killed (as a copy of its live files) and opened again.</summary>
internal sealed class StoreFixture : IAsyncDisposable
{
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, QueueRules> _rules = [];

    public TempFolder Folder { get; } = new();

    public StoreOptions Options { get; } = new() { Reserve = 0 };

    public RetentionOptions Retention { get; } = new();

    public TimeProvider Clock { get; set; } = TimeProvider.System;

    public SqliteStore Store { get; private set; } = null!;

    public RecoveryReport Report { get; private set; } = null!;

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<StoreFixture> OpenAsync(Action<StoreFixture>? configure = null)
    {
        StoreFixture fixture = new();
        fixture.Options.Path = fixture.Folder.Store;
        configure?.Invoke(fixture);
        await fixture.StartAsync();
        return fixture;
    }

    public static Envelope Message(string queue = "orders", string? key = null, int size = 32)
    {
        return new Envelope(MessageId.New(), queue, "order.received", new byte[size]) { Conversation = key };
    }

    public void Rules(string queue, QueueRules rules) => _rules[queue] = rules;

    public async Task StartAsync()
    {
        Store = new SqliteStore(Options, Retention, new Redactor(), Clock);
        foreach ((string queue, QueueRules rules) in _rules)
        {
            Store.SetRules(queue, rules);
        }

        Report = await Store.OpenAsync(new StoreOpening { Node = "test" }, Cancel);
    }

    public async Task ReopenAsync()
    {
        await Store.CloseAsync(Cancel);
        await StartAsync();
    }

    /// <summary>What a killed process would leave: its files as they are now, opened by a new store.</summary>
    public async Task KillAsync(Action<string>? meddle = null)
    {
        string next = Path.Combine(Folder.Path, Guid.NewGuid().ToString("n"));
        PrivateFiles.CreateDirectory(next);
        string name = Path.GetFileName(Options.Path);
        await Store.Writer.FlushAsync();
        foreach (string suffix in new[] { "", "-wal", ".mark", ".inflight" })
        {
            if (File.Exists(Options.Path + suffix))
            {
                Copy(Options.Path + suffix, Path.Combine(next, name + suffix));
            }
        }

        await Store.CloseAsync(Cancel);
        Options.Path = Path.Combine(next, name);
        meddle?.Invoke(Options.Path);
        await StartAsync();
    }

    public async Task<MessageId> AppendAsync(Envelope envelope) => (await Store.AppendAsync([envelope], null, Cancel))[0].Id;

    public async Task<MessageLease> LeaseAsync(string queue = "orders", bool begin = true)
    {
        MessageLease lease = (await Store.LeaseAsync(queue, 1, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel))[0];
        if (begin)
        {
            Assert.True(await Store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));
        }

        return lease;
    }

    public Task AckAsync(MessageLease lease, params Envelope[] staged) => Store.SettleAsync(lease, Settlement.Acknowledge, staged, Cancel).AsTask();

    public async Task<bool> IsEmptyAsync(string queue = "orders")
    {
        using CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(200));
        try
        {
            await Store.LeaseAsync(queue, 1, LeaseTime, soon.Token);
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        Folder.Dispose();
    }

    private static void Copy(string from, string to)
    {
        // Through another process: closing a handle of ours would drop SQLite's locks on a live file.
        using var process = System.Diagnostics.Process.Start("cp", [from, to])!;
        process.WaitForExit();
    }
}
