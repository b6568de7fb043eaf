namespace Postroom.Host;

/// <summary>Runs the program in the foreground until a signal ends it.</summary>
internal static class RunCommand
{
    /// <summary>Runs it; returns the exit code. Does not return where the next generation takes the place of this process.</summary>
    public static async Task<int> RunAsync(HostArguments arguments, CancellationToken cancellationToken, Action<IApplicationBuilder>? configure = null)
    {
        _ = Task.Run(WarmUp, CancellationToken.None);
        using Generation generation = Generation.Begin(arguments);
        using RunSignals signals = new(cancellationToken);
        (int code, StoppedForReplacement? stopped) = await RunAsync(arguments, generation, signals, configure);

        // From here on nothing of this generation runs any more, and its log is written.
        return stopped is null ? code : await generation.Replacer!.ReplaceAsync(stopped, generation.Systemd, signals.Stopped);
    }

    private static async Task<(int Code, StoppedForReplacement? Stopped)> RunAsync(HostArguments arguments, Generation generation, RunSignals signals, Action<IApplicationBuilder>? configure)
    {
        await using HostedRuntime host = HostedRuntime.Create(arguments, configure, standalone: true, StandardOutput.Open(), generation);
        signals.OnHangUp(new HangUps(host).Take); // before others can see that it is ready
        try
        {
            await host.StartAsync(signals.Starting);
        }
        catch (OperationCanceledException) when (signals.Stopped.IsCompleted)
        {
            generation.EndWanted();
            return (ExitCodes.Done, null); // Stopped while it started: what had started is stopped again.
        }
        catch (Exception e)
        {
            generation.EndBad($"it did not start: {e.Message}");
            throw;
        }

        generation.Ready(host.Runtime);
        if (!arguments.Quiet)
        {
            await AnnounceAsync(host);
        }

        Task ended = await Task.WhenAny(signals.Stopped, host.Runtime.StopRequested, host.Runtime.Failure, host.Runtime.ReplacementOrdered);
        return ended == host.Runtime.ReplacementOrdered && !signals.Stopped.IsCompleted
            ? await Replacement.StopAsync(host, generation, signals.Stopped, arguments.Quiet ? null : Say)
            : (await StopAsync(arguments, host, generation, ended == host.Runtime.Failure), null);
    }

    private static async Task<int> StopAsync(HostArguments arguments, HostedRuntime host, Generation generation, bool failed)
    {
        if (failed)
        {
            generation.EndBad("its store could not go on.");
        }
        else
        {
            generation.EndWanted();
        }

        generation.Systemd.Stopping();
        await host.Runtime.Restarts.TurnIntoStopAsync();
        await host.Runtime.StopAsync(CancellationToken.None);
        if (!arguments.Quiet)
        {
            Say($"  {host.StopText}");
        }

        return failed ? ExitCodes.Store : host.Runtime.AbandonedWork ? ExitCodes.WorkAbandoned : ExitCodes.Done;
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
