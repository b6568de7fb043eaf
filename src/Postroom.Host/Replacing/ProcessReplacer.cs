using System.Diagnostics;
using System.Globalization;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using Postroom.ControlPlane;
using Postroom.Hosting;

namespace Postroom.Host;

/// <summary>What is left to do once the runtime has stopped for its replacement.</summary>
/// <param name="Order">The order of the restart.</param>
/// <param name="Statistics">What is known of it.</param>
/// <param name="Ownership">The open file that holds the store's ownership; null where it was given up.</param>
internal sealed record StoppedForReplacement(RestartOrder Order, RestartStatistics Statistics, SafeHandle? Ownership);

/// <summary>Puts the next generation in the place of this process (SPEC RS-10 to RS-12).</summary>
internal sealed class ProcessReplacer(StartLine line, HostArguments? arguments, ListenSockets sockets, int generation, Func<string?> trialFile) : IProcessReplacer
{
    /// <summary>How long a child may take until it is ready: 30 s for the store, and its start.</summary>
    private static readonly TimeSpan ChildTime = TimeSpan.FromSeconds(60);

    /// <summary>How long a signal that was taken may be on its way to whoever waits for it.</summary>
    private static readonly TimeSpan SignalTime = TimeSpan.FromMilliseconds(5);

    /// <inheritdoc/>
    public RestartMode ModeFor(RestartOptions options) => options.Mode != RestartMode.Auto ? options.Mode : OperatingSystem.IsWindows() ? RestartMode.Child : RestartMode.Exec;

    /// <inheritdoc/>
    public bool HandsSocketsOver(RestartMode mode) => mode != RestartMode.Exit && !OperatingSystem.IsWindows();

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> CheckAsync(RestartMode mode, CancellationToken cancellationToken)
    {
        return mode == RestartMode.Exec && OperatingSystem.IsWindows()
            ? ["restart.mode is exec, which Windows does not have. Set it to child or auto."]
            : await new ProgramCheck(line, arguments).RunAsync(cancellationToken);
    }

    /// <summary>Replaces this process; returns the code to end with where it does not go on in the same one.</summary>
    /// <param name="stopped">What is left of this generation.</param>
    /// <param name="systemd">The service manager.</param>
    /// <param name="stop">Completes once the program is to stop instead.</param>
    public async Task<int> ReplaceAsync(StoppedForReplacement stopped, SystemdNotifier systemd, Task stop)
    {
        switch (stopped.Order.Mode)
        {
            case RestartMode.Exit:
                return ExitCodes.StartAgain;
            case RestartMode.Child:
                return await BeChildAsync(stopped, systemd, stop);
            default:
                if (!TryExecute(stopped, stop))
                {
                    systemd.Stopping();
                    return ExitCodes.Done;
                }

                await Console.Error.WriteLineAsync($"'{line.Program}' could not take the place of this process: {UnixProcess.LastError}. The runtime has stopped, nothing is lost; start it again.");
                return ExitCodes.StartAgain;
        }
    }

    /// <summary>Goes on as the next generation, unless a stop was asked for meanwhile: then false. True when it could not be done.</summary>
    private bool TryExecute(StoppedForReplacement stopped, Task stop)
    {
        Handover handover = Make(stopped, readyPipe: null);
        UnixProcess.KeepOnly([.. handover.Descriptors()]);
        UnixProcess.DropHangUps();
        UnixProcess.EndAtOnceByStops();
        if (stop.Wait(SignalTime))
        {
            return false;
        }

        UnixProcess.Execute(line.Program, line.Words, Environment(handover));
        return true;
    }

    /// <summary>Starts the next generation beside this one, which ends when that is ready. A stop meanwhile is the child's.</summary>
    private async Task<int> BeChildAsync(StoppedForReplacement stopped, SystemdNotifier systemd, Task stop)
    {
        using AnonymousPipeServerStream ready = new(PipeDirection.In, HandleInheritability.Inheritable);
        if (OperatingSystem.IsWindows())
        {
            sockets.Dispose(); // they cannot go on there, and the child has to open them
        }

        Handover handover = Make(stopped, ready.GetClientHandleAsString());
        ProcessStartInfo start = new(line.Program) { UseShellExecute = false, WorkingDirectory = line.Folder };
        foreach (string word in line.Words.Skip(1))
        {
            start.ArgumentList.Add(word);
        }

        start.Environment.Clear();
        foreach ((string name, string value) in ChildEnvironment(handover))
        {
            start.Environment[name] = value;
        }

        Process child;
        try
        {
            child = Process.Start(start)!;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            await Console.Error.WriteLineAsync($"'{line.Program}' could not be started: {e.Message} The runtime has stopped, nothing is lost; start it again.");
            return ExitCodes.StartAgain;
        }

        using (child)
        {
            ready.DisposeLocalCopyOfClientHandle();
            Task<int> said = ready.ReadAsync(new byte[1], CancellationToken.None).AsTask();
            Task first = await Task.WhenAny(said, stop, Task.Delay(ChildTime, TimeProvider.System, CancellationToken.None));
            if (first == said && await said == 1)
            {
                // Only the main process is heard, so this one also says for the child that it is ready.
                systemd.Tell($"MAINPID={child.Id.ToString(CultureInfo.InvariantCulture)}\nREADY=1");
                return ExitCodes.Done;
            }

            if (first == stop)
            {
                systemd.Stopping();
                await StopAsync(child);
            }
            else if (!child.HasExited)
            {
                child.Kill();
                await child.WaitForExitAsync();
            }

            _ = await said; // its end of the pipe went with the child
            if (first == stop)
            {
                return child.ExitCode;
            }

            await Console.Error.WriteLineAsync("The next generation did not get ready and was ended. Nothing is lost; start the program again once the cause, which it has logged, is mended.");
            return ExitCodes.StartAgain;
        }
    }

    /// <summary>Passes a stop on to the child, and waits for its end.</summary>
    private static async Task StopAsync(Process child)
    {
        if (OperatingSystem.IsWindows())
        {
            child.Kill();
        }
        else
        {
            UnixProcess.Terminate(child.Id);
        }

        await child.WaitForExitAsync();
    }

    private Handover Make(StoppedForReplacement stopped, string? readyPipe) => new()
    {
        ProcessId = System.Environment.ProcessId,
        Generation = generation + 1,
        Sockets = OperatingSystem.IsWindows() ? [] : [.. sockets.Open.Select(static one => new HandedSocket(one.Key, UnixProcess.Duplicate(one.Socket.Handle)))],
        Ownership = stopped.Ownership is { } ownership ? UnixProcess.Duplicate(ownership.DangerousGetHandle()) : null,
        ReadyPipe = readyPipe,
        TrialFile = trialFile(),
        Statistics = stopped.Statistics,
        Recent = stopped.Order.Recent,
    };

    /// <summary>The environment of another process, which the watchdog watches from then on: it is not the process that the variable names.</summary>
    internal Dictionary<string, string> ChildEnvironment(Handover handover)
    {
        Dictionary<string, string> environment = Environment(handover);
        environment.Remove(SystemdNotifier.WatchdogProcess);
        return environment;
    }

    private Dictionary<string, string> Environment(Handover handover) => new(line.Environment, StringComparer.Ordinal) { [Handover.Variable] = handover.ToText() };
}
