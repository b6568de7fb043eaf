using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;

namespace Postroom.Configuration;

/// <summary>Reads the sections about the process: runtime, server, restart, health, logs, traces and limits.</summary>
internal static class ProcessSections
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static readonly (string Word, LogLevel Value)[] Levels =
    [
        ("trace", LogLevel.Trace), ("debug", LogLevel.Debug), ("info", LogLevel.Information), ("warning", LogLevel.Warning),
        ("error", LogLevel.Error), ("critical", LogLevel.Critical), ("none", LogLevel.None), ("information", LogLevel.Information), ("warn", LogLevel.Warning),
    ];

    public static RuntimeOptions ReadRuntime(SectionReader reader)
    {
        var d = new RuntimeOptions();
        var options = new RuntimeOptions
        {
            Name = reader.ReadText("name", d.Name)!,
            Environment = reader.ReadText("environment", d.Environment)!,
            Role = reader.ReadChoice("role", d.Role),
            Node = reader.ReadText("node"),
            DataDirectory = reader.ReadText("dataDirectory", d.DataDirectory)!,
            DrainTimeout = reader.ReadDuration("drainTimeout", d.DrainTimeout),
            CancelGrace = reader.ReadDuration("cancelGrace", d.CancelGrace),
            StopTimeout = reader.ReadDuration("stopTimeout", d.StopTimeout, Second),
        };
        if (options.DrainTimeout > options.StopTimeout)
        {
            reader.AddError("drainTimeout", $"runtime.drainTimeout ({Duration.Format(options.DrainTimeout)}) is longer than stopTimeout "
                + $"({Duration.Format(options.StopTimeout)}), which ends the whole stop. Lower drainTimeout or raise stopTimeout.");
        }

        return options;
    }

    public static IReadOnlyList<string> ReadModules(SectionReader root, ConfigurationCatalog catalog)
    {
        IReadOnlyList<string> names = root.ReadTexts("modules");
        foreach (string name in names.Where(name => catalog.Modules?.Contains(name) == false))
        {
            string known = catalog.Modules!.Count == 0 ? "It has none." : Names.Nearest(name, catalog.Modules) is { } near ? $"Did you mean '{near}'?" : $"It has {string.Join(", ", catalog.Modules)}.";
            root.AddError("modules", $"Module '{name}' is not part of this program. {known}");
        }

        return names;
    }

    public static ServerOptions ReadServer(SectionReader reader)
    {
        var d = new ServerOptions();
        var options = new ServerOptions
        {
            Urls = reader.ReadTexts("urls", d.Urls),
            Prefix = (reader.ReadText("prefix", d.Prefix) ?? "").TrimEnd('/'),
            AdminUrls = reader.ReadTexts("adminUrls"),
            Hosts = reader.ReadTexts("hosts", d.Hosts),
            TrustedProxies = reader.ReadTexts("trustedProxies"),
            Keys = reader.ReadList("keys", ReadKey),
        };
        options.Urls = WithPort(reader, options.Urls);
        CheckUrls(reader, "urls", options.Urls);
        CheckUrls(reader, "adminUrls", options.AdminUrls);
        if (options.Urls.Count == 0)
        {
            reader.AddError("urls", "server.urls is empty, so nothing could reach the runtime. Name an address such as http://127.0.0.1:8080.");
        }

        if (options.Prefix.Length > 0 && (options.Prefix[0] != '/' || options.Prefix.AsSpan().ContainsAny("?#\\ ")))
        {
            reader.AddError("prefix", $"server.prefix is '{options.Prefix}'; it must be empty or begin with '/' and hold no '?', '#', '\\' or blank.");
        }

        foreach (string proxy in options.TrustedProxies.Where(proxy => !IPAddress.TryParse(proxy, out _) && !IPNetwork.TryParse(proxy, out _)))
        {
            reader.AddError("trustedProxies", $"server.trustedProxies has '{proxy}', which is neither an address nor a network such as 10.0.0.0/8.");
        }

        foreach (string name in options.Keys.GroupBy(key => key.Name, StringComparer.Ordinal).Where(same => same.Count() > 1).Select(same => same.Key))
        {
            reader.AddError("keys", $"server.keys has two keys named '{name}'. The audit shows the name, so it must be unique.");
        }

        return options;
    }

    public static RestartOptions ReadRestart(SectionReader reader)
    {
        var d = new RestartOptions();
        return new RestartOptions
        {
            OnSighup = reader.ReadChoice("onSighup", d.OnSighup),
            Mode = reader.ReadChoice("mode", d.Mode),
            Drain = reader.ReadChoice("drain", d.Drain),
            DrainTimeout = reader.ReadDuration("drainTimeout", d.DrainTimeout, max: TimeSpan.FromSeconds(600)),
            MaxPerWindow = reader.ReadCount("maxPerWindow", d.MaxPerWindow, 1, 1_000),
            Window = reader.ReadDuration("window", d.Window, Second),
            MinUptime = reader.ReadDuration("minUptime", d.MinUptime),
        };
    }

    public static HealthOptions ReadHealth(SectionReader reader)
    {
        var d = new HealthOptions();
        return new HealthOptions
        {
            Reuse = reader.ReadDuration("reuse", d.Reuse),
            Timeout = reader.ReadDuration("timeout", d.Timeout, TimeSpan.FromMilliseconds(10)),
        };
    }

    public static HooksOptions ReadHooks(SectionReader reader) => new()
    {
        Timeout = reader.ReadDuration("timeout", new HooksOptions().Timeout, Shortest),
    };

    public static TracingOptions ReadTracing(SectionReader reader, ConfigurationCatalog catalog)
    {
        var d = new TracingOptions();
        var options = new TracingOptions
        {
            Transport = reader.ReadText("transport", d.Transport)!,
            Endpoint = reader.ReadText("endpoint", d.Endpoint)!,
            SampleRatio = reader.ReadNumber("sampleRatio", d.SampleRatio, 0, 1),
            Keep = reader.ReadCount("keep", d.Keep, 0, 100_000),
        };
        if (!catalog.TraceTransports.Contains(options.Transport))
        {
            reader.AddError("transport", $"tracing.transport is '{options.Transport}', which is none of {string.Join(", ", catalog.TraceTransports)}.");
        }

        if (options.Transport == "otlp" && options.Endpoint.Length > 0 && !OtlpTransport.IsEndpoint(options.Endpoint))
        {
            reader.AddError("endpoint", $"tracing.endpoint is '{options.Endpoint}', which is no address such as {OtlpTransport.UsualEndpoint} for gRPC or http://localhost:4318/v1/traces for HTTP.");
        }

        return options;
    }

    public static LoggingOptions ReadLogging(SectionReader reader)
    {
        var d = new LoggingOptions();
        var options = new LoggingOptions
        {
            Level = reader.ReadWord("level", d.Level, Levels),
            Format = reader.ReadChoice("format", d.Format),
            Redact = reader.ReadTexts("redact"),
        };
        if (options.Redact.Count > 64)
        {
            reader.AddError("redact", $"logging.redact has {options.Redact.Count} patterns; at most 64 run on every line.");
        }

        foreach (string pattern in options.Redact)
        {
            try
            {
                Redactor.Compile(pattern);
            }
            catch (ArgumentException e)
            {
                reader.AddError("redact", $"logging.redact has '{pattern}', which is no regular expression: {e.Message}");
            }
        }

        return options;
    }

    public static LimitsOptions ReadLimits(SectionReader reader)
    {
        var d = new LimitsOptions();
        return new LimitsOptions
        {
            Body = reader.ReadSize("body", d.Body, 1, 1L << 30),
            Hops = reader.ReadCount("hops", d.Hops, 1, 10_000),
            Staged = reader.ReadCount("staged", d.Staged, 1, 100_000),
            StagedSize = reader.ReadSize("stagedSize", d.StagedSize, 1, 1L << 30),
            Connections = reader.ReadCount("connections", d.Connections, 1, 1_000_000),
            ConnectionsPerAddress = reader.ReadCount("connectionsPerAddress", d.ConnectionsPerAddress, 1, 1_000_000),
            Contacts = reader.ReadCount("contacts", d.Contacts, 1, 10_000_000),
        };
    }

    public static ConfigOptions ReadConfig(SectionReader reader) => new()
    {
        Database = reader.ReadText("database"),
        PollInterval = reader.ReadDuration("pollInterval", new ConfigOptions().PollInterval, Second),
    };

    public static SecretsOptions ReadSecrets(SectionReader reader)
    {
        var d = new SecretsOptions();
        return new SecretsOptions
        {
            Dotenv = reader.ReadText("dotenv", d.Dotenv)!,
            Directory = reader.ReadText("directory", d.Directory)!,
            Yaml = reader.ReadText("yaml", d.Yaml)!,
        };
    }

    private static ServerKey ReadKey(SectionReader reader)
    {
        var key = new ServerKey
        {
            Name = reader.RequireText("name", "The audit shows it."),
            Role = reader.ReadChoice("role", ServerRole.Viewer),
            Key = reader.RequireSecret("key", "Name one, such as ${secret://env:POSTROOM_OPS_KEY}."),
        };
        if (key.Key.Reveal().Length is > 0 and < 16)
        {
            reader.AddError("key", $"{reader.Path}.key has fewer than 16 characters and could be guessed. Use a longer one, such as 32 random characters.");
        }

        return key;
    }

    /// <summary>Gives the first address the port of <c>server.port</c>, as which the variable PORT arrives; addresses that a later layer wrote in full are left alone.</summary>
    private static IReadOnlyList<string> WithPort(SectionReader reader, IReadOnlyList<string> urls)
    {
        int? port = reader.ReadOptionalCount("port", null, 1, 65_535);
        bool writtenLater = reader.Has("urls") && LayerNames.IsLater(reader.OriginOf("urls").Layer, reader.OriginOf("port").Layer);
        if (port is null || urls.Count == 0 || writtenLater)
        {
            return urls;
        }

        // As text: '*' and '+', which stand for every address, are no host of a Uri.
        string first = urls[0].TrimEnd('/');
        int colon = first.LastIndexOf(':');
        bool named = colon > first.IndexOf("://", StringComparison.Ordinal) && colon > first.LastIndexOf(']');
        return [string.Create(CultureInfo.InvariantCulture, $"{(named ? first[..colon] : first)}:{port}"), .. urls.Skip(1)];
    }

    private static void CheckUrls(SectionReader reader, string name, IReadOnlyList<string> urls)
    {
        foreach (string url in urls)
        {
            // '*' and '+' stand for every address, which a Uri cannot say.
            string parsable = url.Replace("://*", "://0.0.0.0", StringComparison.Ordinal).Replace("://+", "://0.0.0.0", StringComparison.Ordinal);
            if (!Uri.TryCreate(parsable, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https") || uri.PathAndQuery != "/" || uri.UserInfo.Length > 0)
            {
                reader.AddError(name, $"server.{name} has '{url}', which is no address such as http://127.0.0.1:8080. A path belongs in server.prefix.");
            }
            else if (uri.Scheme == "https")
            {
                reader.AddError(name, $"server.{name} has '{url}', but this program has no certificate and speaks no https itself. Write http://, put a proxy that speaks https before it, and name the proxy in server.trustedProxies.");
            }
        }
    }
}
