using System.Runtime.InteropServices;

namespace Postroom.Host;

/// <summary>What the signals of the operating system ask of <c>postroom run</c> (SPEC RT-5, RS-2). Signals that a parent ignored are handled again.</summary>
internal sealed class RunSignals : IDisposable
{
    private readonly TaskCompletionSource _stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _starting;
    private readonly PosixSignalRegistration[] _registrations;
    private Action _hangUp = static () => { };
    private int _interrupts;

    public RunSignals(CancellationToken cancellationToken)
    {
        _starting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (!OperatingSystem.IsWindows())
        {
            UnixProcess.HearHangUps();
        }

        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Take(Stop)),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Take(Interrupt)),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Take(() => Volatile.Read(ref _hangUp)())),
        ];
        if (OperatingSystem.IsWindows())
        {
            _hangUp = Stop; // a console that closes
        }
    }

    /// <summary>Completes once the program is to stop.</summary>
    public Task Stopped => _stop.Task;

    /// <summary>Ends a start that a stop has overtaken.</summary>
    public CancellationToken Starting => _starting.Token;

    /// <summary>Says what a hang-up does.</summary>
    public void OnHangUp(Action hangUp)
    {
        if (!OperatingSystem.IsWindows())
        {
            Volatile.Write(ref _hangUp, hangUp);
        }
    }

    public void Dispose()
    {
        Array.ForEach(_registrations, static registration => registration.Dispose());
        _starting.Dispose();
    }

    private static Action<PosixSignalContext> Take(Action action) => signal =>
    {
        signal.Cancel = true;
        action();
    };

    private void Stop()
    {
        _stop.TrySetResult();
        _starting.CancelAsync();
    }

    private void Interrupt()
    {
        if (Interlocked.Increment(ref _interrupts) > 1)
        {
            Environment.Exit(ExitCodes.Interrupted);
        }

        Stop();
    }
}
