using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;

namespace Postroom.Hosting;

/// <summary>Removes what is kept no longer, again and again (JN-9, JN-11). A store that cannot do it now is asked again at the next time.</summary>
internal sealed partial class RetentionLoop(IJournal journal, Func<RetentionOptions> retention, ClockWatch watch, TimeProvider clock, ILogger log)
{
    /// <summary>The time between two rounds.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    public void Start() => _loop = Task.Run(RunAsync);

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using PeriodicTimer timer = new(Interval, clock);
        while (await timer.WaitForNextTickAsync(_stop.Token))
        {
            _ = watch.Look(); // so that somebody looks even where nobody asks for the health
            try
            {
                RetentionOptions now = retention();
                long removed = await journal.CompactAsync(new JournalRetention(now.Acked, now.Failed), _stop.Token);
                if (removed > 0)
                {
                    LogRemoved(removed);
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(Interval, e.Message);
            }
        }
    }

    [LoggerMessage(540, LogLevel.Debug, "Retention removed {Removed} finished messages.")]
    private partial void LogRemoved(long removed);

    [LoggerMessage(541, LogLevel.Warning, "Finished messages that are kept no longer could not be removed; the next try is in {Interval}: {Why}")]
    private partial void LogFailed(TimeSpan interval, string why);
}
