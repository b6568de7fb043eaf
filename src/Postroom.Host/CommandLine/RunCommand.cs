using System.Runtime.InteropServices;

namespace Postroom.Host;

/// <summary>Runs the program in the foreground until a signal ends it.</summary>
internal static class RunCommand
{
    public static async Task<int> RunAsync(HostArguments arguments, CancellationToken cancellationToken, Action<IApplicationBuilder>? configure = null)
    {
        TaskCompletionSource stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int interrupts = 0;

        // Signals that a parent ignored are handled again here.
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            stop.TrySetResult();
        });
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
        {
            signal.Cancel = true;
            if (Interlocked.Increment(ref interrupts) > 1)
            {
                Environment.Exit(ExitCodes.Interrupted);
            }

            stop.TrySetResult();
        });

        await using HostedRuntime host = HostedRuntime.Create(arguments, configure, welcome: true, Console.Out);
        await host.StartAsync(cancellationToken);
        if (!arguments.Quiet)
        {
            Announce(host);
        }

        Task ended = host.StoreFailed is { } failed ? await Task.WhenAny(stop.Task, failed) : await Task.WhenAny(stop.Task);
        await host.Runtime.StopAsync(CancellationToken.None);
        return ended != stop.Task ? ExitCodes.Store : host.Runtime.AbandonedWork ? ExitCodes.WorkAbandoned : ExitCodes.Done;
    }

    private static void Announce(HostedRuntime host)
    {
        string address = host.Addresses.Count > 0 ? host.Addresses[0] : "";
        StoreOptions store = host.Runtime.Configuration.Current.Get<StoreOptions>("store");
        RuntimeOptions options = host.Runtime.Configuration.Current.Get<RuntimeOptions>("runtime");
        Console.WriteLine();
        Console.WriteLine($"  Postroom {HostedRuntime.ProgramVersion} is ready (process {Environment.ProcessId}).");
        if (address.Length > 0 && host.Runtime.View.FindChannel("emulator") is not null)
        {
            Console.WriteLine($"  Web chat:  {address}/chat");
        }

        if (address.Length > 0)
        {
            Console.WriteLine($"  Status:    {address}/api/v1/status (key in {Path.Combine(options.DataDirectory, "admin.key")})");
        }

        Console.WriteLine(store.Kind == "sqlite"
            ? $"  Data:      {Path.GetFullPath(store.Path)} (SQLite {Sqlite.SqliteStore.LibraryVersion}, {store.Synchronous.ToString().ToLowerInvariant()})"
            : $"  Data:      {store.Kind}: {host.Runtime.Store.Features.Promise}");
        Console.WriteLine("  Stop with Ctrl+C.");
        Console.WriteLine();
    }
}
