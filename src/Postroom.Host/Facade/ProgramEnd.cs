using System.Runtime.InteropServices;

namespace Postroom.Host;

/// <summary>How a program of one's own ends: it stops, or the next generation takes its place. Safe for concurrent use.</summary>
internal sealed class ProgramEnd(HostedRuntime host, Generation generation)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    private readonly TaskCompletionSource _signalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _replaced;

    /// <summary>Whether a restart has drained, so that the end is a replacement unless something asks for a stop.</summary>
    public bool IsReplacement
    {
        get => _replaced && !_signalled.Task.IsCompleted;
        set => _replaced = value;
    }

    /// <summary>Whether the next generation is taking the place of this process now.</summary>
    public bool IsReplacing { get; private set; }

    /// <summary>A signal or an operator asks for a stop.</summary>
    public void Signal() => _signalled.TrySetResult();

    /// <summary>Does what <c>restart.onSighup</c> says when SIGHUP comes; where that is a console that closes, it stops.</summary>
    public PosixSignalRegistration HearHangUps(Action<PosixSignalContext> stop)
    {
        if (OperatingSystem.IsWindows())
        {
            return PosixSignalRegistration.Create(PosixSignal.SIGHUP, stop);
        }

        HangUps hangUps = new(host);
        UnixProcess.HearHangUps(); // the former generation let none end it on its way
        return PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            hangUps.Take();
        });
    }

    /// <summary>Ends the runtime. Does not return where the next generation takes the place of this process.</summary>
    /// <param name="wanted">Whether somebody wants it to end, instead of an exception that leaves the program.</param>
    /// <param name="exit">Ends the process, whose place a child or a supervisor has taken.</param>
    public async Task RunAsync(bool wanted, Action<int> exit)
    {
        if (!IsReplacement)
        {
            await StopAsync(wanted);
            return;
        }

        try
        {
            await ReplaceAsync(exit);
        }
        catch (Exception e)
        {
            // Half stopped it must not go on (RS-11).
            await Console.Error.WriteLineAsync($"The next generation could not take the place of this process: {e.Message} Nothing is lost; start the program again.");
            exit(ExitCodes.StartAgain);
        }
    }

    private async Task StopAsync(bool wanted)
    {
        if (host.Runtime.Failure.IsCompleted)
        {
            generation.EndBad("its store could not go on.");
        }
        else if (wanted)
        {
            generation.EndWanted();
        }

        generation.Systemd.Stopping();
        await host.Runtime.Restarts.TurnIntoStopAsync();
        await host.DisposeAsync();
        if (host.Runtime.AbandonedWork && !host.Runtime.Failure.IsCompleted)
        {
            Environment.ExitCode = ExitCodes.WorkAbandoned;
        }

        generation.Dispose(watches: !wanted);
    }

    private async Task ReplaceAsync(Action<int> exit)
    {
        await EmptyAsync();
        IsReplacing = true;
        (int code, StoppedForReplacement? stopped) = await Replacement.StopAsync(host, generation, _signalled.Task, say: null);
        await host.DisposeAsync();
        if (stopped is null)
        {
            generation.Dispose();
            Environment.ExitCode = code;
            return;
        }

        code = await generation.Replacer!.ReplaceAsync(stopped, generation.Systemd, _signalled.Task);
        generation.Dispose();
        exit(code);
    }

    /// <summary>What the program has still sent at its end would be lost with a store in memory, which was empty when the restart had drained.</summary>
    private async Task EmptyAsync()
    {
        long begun = TimeProvider.System.GetTimestamp();
        TimeSpan limit = host.Runtime.Configuration.Current.Get<RuntimeOptions>("runtime").DrainTimeout;
        while (!host.Runtime.Store.Features.Durable && IsReplacement && TimeProvider.System.GetElapsedTime(begun) < limit
            && (await host.Runtime.Store.GetStatsAsync(null, CancellationToken.None)).Queues.Values.Any(static queue => queue.Pending + queue.Dispatched > 0))
        {
            await Task.Delay(Look, TimeProvider.System, CancellationToken.None);
        }
    }
}
