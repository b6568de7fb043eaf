using System.Runtime.InteropServices;

namespace Postroom.Host;

/// <summary>How a program of one's own ends: it stops, or the next generation takes its place. Safe for concurrent use.</summary>
internal sealed class ProgramEnd(HostedRuntime host, Generation generation)
{
    private readonly TaskCompletionSource _signalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _replaced;

    /// <summary>Whether a restart has drained, so that the end is a replacement unless a signal asks for a stop.</summary>
    public bool IsReplacement
    {
        get => _replaced && !_signalled.Task.IsCompleted;
        set => _replaced = value;
    }

    /// <summary>A signal asks for a stop.</summary>
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
    /// <param name="exit">Ends the process, whose place a child or a supervisor has taken.</param>
    public async Task RunAsync(Action<int> exit)
    {
        if (!IsReplacement)
        {
            generation.EndWanted();
            generation.Systemd.Stopping();
            await host.Runtime.Restarts.TurnIntoStopAsync();
            await host.DisposeAsync();
            generation.Dispose();
            return;
        }

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
}
