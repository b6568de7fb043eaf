using System.Runtime.InteropServices;

namespace Postroom.Host;

/// <summary>Runs the program in the foreground until a signal ends it.</summary>
internal static class RunCommand
{
    public static async Task<int> RunAsync(HostArguments arguments, CancellationToken cancellationToken, Action<IApplicationBuilder>? configure = null)
    {
        TaskCompletionSource stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenSource starting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        int interrupts = 0;

        // Signals that a parent ignored are handled again here.
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            stop.TrySetResult();
            starting.CancelAsync();
        });
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
        {
            signal.Cancel = true;
            if (Interlocked.Increment(ref interrupts) > 1)
            {
                Environment.Exit(ExitCodes.Interrupted);
            }

            stop.TrySetResult();
            starting.CancelAsync();
        });

        _ = Task.Run(WarmUp, CancellationToken.None);
        await using HostedRuntime host = HostedRuntime.Create(arguments, configure, standalone: true, StandardOutput.Open());
        try
        {
            await host.StartAsync(starting.Token);
        }
        catch (OperationCanceledException) when (stop.Task.IsCompleted)
        {
            return ExitCodes.Done; // Stopped while it started: what had started is stopped again.
        }

        if (!arguments.Quiet)
        {
            await AnnounceAsync(host);
        }

        Task ended = await Task.WhenAny(stop.Task, host.Runtime.StopRequested, host.Runtime.Failure);
        await host.Runtime.StopAsync(CancellationToken.None);
        if (!arguments.Quiet)
        {
            Say(host.Runtime.AbandonedWork ? "  Stopped; some work did not end in time and is handled again after the next start." : "  Stopped in order; nothing is in work.");
        }

        return ended == host.Runtime.Failure ? ExitCodes.Store : host.Runtime.AbandonedWork ? ExitCodes.WorkAbandoned : ExitCodes.Done;
    }

    /// <summary>Loads the libraries of the listener and of the store on another core while the configuration is read.</summary>
    private static void WarmUp()
    {
        ControlPlane.ControlPlaneService.WarmUp();
        _ = Sqlite.SqliteStore.LibraryVersion;
    }

    private static async ValueTask AnnounceAsync(HostedRuntime host)
    {
        string address = host.Addresses.Count > 0 ? host.Addresses[0] : "";
        RuntimeOptions options = host.Runtime.Configuration.Current.Get<RuntimeOptions>("runtime");
        string? dashboard = await host.MakeDashboardLinkAsync(CancellationToken.None);
        string[] lines =
        [
            "",
            $"  Postroom {HostedRuntime.ProgramVersion} is ready (process {Environment.ProcessId}).",
            $"  Web chat:  {host.ChatLink ?? $"none; {string.Join(" and ", FirstStart.WebChat)} add it"}",
            .. dashboard is null ? (string[])[] : [$"  Dashboard: {dashboard}", $"  Status:    {address}/api/v1/status (key in {Path.Combine(options.DataDirectory, "admin.key")})"],
            $"  Data:      {host.DataPlace}",
            "  Stop with Ctrl+C.",
            "",
        ];
        Say(string.Join(Environment.NewLine, lines)); // one write, so that no line of the log gets between
    }

    /// <summary>Writes a line for whoever reads along; nobody has to.</summary>
    private static void Say(string line)
    {
        try
        {
            Console.WriteLine(line);
        }
        catch (IOException)
        {
            // A full disk or a closed pipe behind the output costs these lines and not the runtime.
        }
    }
}
