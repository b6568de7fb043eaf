using System.IO.Pipes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Hosting;

namespace Postroom.Host;

/// <summary>One life of the program between hot restarts: what it took over, and what it needs to be replaced.</summary>
internal sealed partial class Generation : IDisposable
{
    private readonly Handover? _received;
    private readonly TrialRecord _trial;

    private Generation(HostArguments? arguments, StartLine? line, Handover? received)
    {
        _received = received;
        Origin = received?.ToOrigin() ?? new RestartOrigin();
        _trial = new TrialRecord(received is not null, received?.TrialFile);
        Systemd = new SystemdNotifier(Environment.GetEnvironmentVariable);
        if (received is not null)
        {
            received.GiveTo(Sockets);
        }
        else
        {
            foreach (int descriptor in SystemdNotifier.Sockets(Environment.GetEnvironmentVariable))
            {
                UnixProcess.CloseOnExec(descriptor, close: true);
                Sockets.Inherit(key: null, descriptor);
            }

            // Taken once: another start in this process, and the processes this one starts, have other things at these descriptors.
            Environment.SetEnvironmentVariable("LISTEN_PID", null);
            Environment.SetEnvironmentVariable("LISTEN_FDS", null);
        }

        Replacer = line is null ? null : new ProcessReplacer(line, arguments, Sockets, Origin.Generation, () => _trial.File);
    }

    /// <summary>How it came to be.</summary>
    public RestartOrigin Origin { get; }

    /// <summary>What HTTP listens on.</summary>
    public ListenSockets Sockets { get; } = new();

    /// <summary>Puts the next generation in its place; null where that cannot be done.</summary>
    public ProcessReplacer? Replacer { get; }

    /// <summary>The service manager.</summary>
    public SystemdNotifier Systemd { get; }

    /// <summary>Begins one.</summary>
    /// <param name="arguments">The options of the command line; null for a program of one's own.</param>
    public static Generation Begin(HostArguments? arguments) => new(arguments, StartLine.Read(), Handover.Receive());

    /// <summary>Takes the settings.</summary>
    public void Configure(ConfigurationSnapshot settings) => _trial.Configure(settings, Origin);

    /// <summary>It is ready.</summary>
    /// <param name="runtime">The runtime, which a watchdog asks whether it lives.</param>
    public void Ready(MessageRuntime runtime)
    {
        _trial.Ready();
        if (Sockets.CloseUnused() is { Count: > 0 } unused)
        {
            LogUnused(runtime.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Postroom.Restart"), string.Join(", ", unused));
        }

        if (_received?.ReadyPipe is { } pipe)
        {
            try
            {
                using AnonymousPipeClientStream parent = new(PipeDirection.Out, pipe);
                parent.WriteByte(1);
            }
            catch (Exception e) when (e is IOException or ArgumentException)
            {
                // The parent has not waited for it.
            }
        }

        Systemd.Ready(() => runtime.State != RuntimeState.Faulted);
    }

    /// <summary>It ends because a signal, an operator or a restart wants it to.</summary>
    public void EndWanted() => _trial.EndWanted();

    /// <summary>It ends by itself.</summary>
    public void EndBad(string why) => _trial.EndBad(why);

    public void Dispose() => Dispose(watches: false);

    /// <summary>Lets go of what it has.</summary>
    /// <param name="watches">Whether it still watches how the process ends: one that ends by an exception has ended too soon.</param>
    public void Dispose(bool watches)
    {
        if (!watches)
        {
            _trial.Dispose();
        }

        Systemd.Dispose();
        Sockets.Dispose();
        Origin.Ownership?.Dispose(); // of a start that ended before its store took it over
    }

    [LoggerMessage(5020, LogLevel.Warning, "Listening sockets that were handed over are closed, since server.urls names no such address: {Addresses}")]
    private static partial void LogUnused(ILogger log, string addresses);
}
