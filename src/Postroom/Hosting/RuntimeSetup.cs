using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Postroom.Hosting;

namespace Postroom;

/// <summary>What a runtime is made of before its modules describe themselves.</summary>
public sealed record RuntimeSetup
{
    /// <summary>The layers of the configuration and the variables; none unless set, which leaves everything at its default.</summary>
    public ConfigurationSources Configuration { get; init; } = new();

    /// <summary>The clock; the system's unless set.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Where logs go; nowhere unless set.</summary>
    public ILoggerFactory Loggers { get; init; } = NullLoggerFactory.Instance;

    /// <summary>Hides secrets in logs and stored errors; learns those of the configuration.</summary>
    public Redactor Redactor { get; init; } = new();

    /// <summary>The program's version, for status.</summary>
    public string Version { get; init; } = typeof(RuntimeSetup).Assembly.GetName().Version?.ToString(3) ?? "0";

    /// <summary>Random numbers from 0 to 1 for jitter; real chance unless set.</summary>
    public Func<double>? Random { get; init; }

    /// <summary>Starts without sources; false unless set.</summary>
    public bool Paused { get; init; }

    /// <summary>Whether the program may open receivers, so that even queue <c>in</c> may do without a worker pool; true unless set.</summary>
    public bool OpensReceivers { get; init; } = true;

    /// <summary>Called once with the first configuration, before anything starts, so that the program's log is as it says from then on; null for nobody.</summary>
    internal Action<ConfigurationSnapshot>? Configured { get; init; }

    /// <summary>Replaces the process at a restart; null where it cannot be replaced.</summary>
    internal IProcessReplacer? Replacer { get; init; }

    /// <summary>How this generation came to be; by a start unless set.</summary>
    internal RestartOrigin Origin { get; init; } = new();

    /// <summary>How many lines the program's log has lost, for the metrics; null when it cannot tell.</summary>
    internal Func<long>? LostLogLines { get; init; }

    /// <summary>Modules that the setting <c>modules</c> may name.</summary>
    public IReadOnlyList<IApplicationModule> KnownModules { get; init; } = [];
}
