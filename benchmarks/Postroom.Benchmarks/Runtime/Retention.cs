namespace Postroom.Benchmarks.Runtime;

/// <summary>Removes what is finished every second, as an operator's timer would.</summary>
internal sealed class Retention(IJournal journal, TimeSpan age) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _ending = new();
    private Task _loop = Task.CompletedTask;

    /// <summary>How many messages are gone.</summary>
    public long Removed { get; private set; }

    public void Start() => _loop = RunAsync();

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ending.Dispose();
    }

    private async Task RunAsync()
    {
        using PeriodicTimer timer = new(Interval);
        while (await timer.WaitForNextTickAsync(_ending.Token))
        {
            Removed += await journal.CompactAsync(new JournalRetention(age, age), _ending.Token);
        }
    }
}
