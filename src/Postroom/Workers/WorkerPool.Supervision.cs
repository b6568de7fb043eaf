using Microsoft.Extensions.Logging;

namespace Postroom.Workers;

/// <content>A loop that dies is started again with backoff; too many deaths in a window fail the pool.</content>
internal sealed partial class WorkerPool
{
    private readonly Queue<long> _deaths = new();

    private async Task Supervise(string what, Func<Task> loop, Action? ended = null)
    {
        await Task.Yield();
        try
        {
            await KeepAsync(what, loop);
        }
        finally
        {
            ended?.Invoke();
        }
    }

    private async Task KeepAsync(string what, Func<Task> loop)
    {
        for (int deaths = 1; ; deaths++)
        {
            try
            {
                await loop();
                return;
            }
            catch (Exception e)
            {
                if (_stopping.IsCancellationRequested)
                {
                    return;
                }

                Counters.Restarted(e);
                LogDeath(e, Name, what);
                if (IsOneTooMany())
                {
                    Fault($"{what} died {Options.CrashLimit + 1} times within {Options.CrashWindow}: {e.Message}");
                    return;
                }

                TimeSpan wait = BackoffBefore(deaths);
                try
                {
                    await Task.Delay(wait, _clock, _stopping.Token);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
        }
    }

    private TimeSpan BackoffBefore(int deaths)
    {
        Backoff backoff = Options.RestartBackoff.ToBackoff();
        return backoff.After(deaths, 0.5);
    }

    private bool IsOneTooMany()
    {
        lock (_gate)
        {
            long now = _clock.GetTimestamp();
            _deaths.Enqueue(now);
            while (_deaths.TryPeek(out long oldest) && _clock.GetElapsedTime(oldest, now) > Options.CrashWindow)
            {
                _deaths.Dequeue();
            }

            return _deaths.Count > Options.CrashLimit;
        }
    }

    private void Fault(string why)
    {
        MessageLease[] unbegun;
        lock (_gate)
        {
            _faulted = true;
            _pumping.Cancel();
            unbegun = _feed.Hold();
        }

        GiveBack(unbegun);
        LogFault(Name, why);
    }

    [LoggerMessage(200, LogLevel.Error, "A loop of pool '{Pool}' ({Loop}) died and is started again.")]
    private partial void LogDeath(Exception exception, string pool, string loop);

    [LoggerMessage(201, LogLevel.Critical, "Pool '{Pool}' has failed: {Why}. It takes no more messages until it is restarted.")]
    private partial void LogFault(string pool, string why);

    [LoggerMessage(202, LogLevel.Warning, "Pool '{Pool}': the handler of message {MessageId} (attempt {Attempt}) ignored its cancellation and was given up; its slot is replaced.")]
    private partial void LogAbandoned(string pool, MessageId messageId, int attempt);

    [LoggerMessage(203, LogLevel.Warning, "Pool '{Pool}': what a handler registered with its cancellation token threw.")]
    private partial void LogCancel(Exception exception, string pool);
}
