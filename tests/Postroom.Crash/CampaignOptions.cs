using System.Globalization;

namespace Postroom.Crash;

/// <summary>What the harness is asked to do.</summary>
public sealed record CampaignOptions
{
    /// <summary>How often the application is killed.</summary>
    public int Kills { get; init; } = 300;

    /// <summary>Decides the plan and every message's kind.</summary>
    public int Seed { get; init; } = 77;

    /// <summary>Power-cut trials instead of kills; null for none.</summary>
    public int? PowerCuts { get; init; }

    /// <summary>Hot restarts under load instead of kills; null for none.</summary>
    public int? Restarts { get; init; }

    /// <summary>Requests per second during hot restarts.</summary>
    public int RestartRate { get; init; } = 200;

    /// <summary>The shipped program, for hot restarts: an assembly, or a program that is executed by itself.</summary>
    public string HostApp { get; init; } = DefaultHost;

    /// <summary>The setting <c>store.synchronous</c>.</summary>
    public string Synchronous { get; init; } = "full";

    /// <summary>Power cuts end with the first loss.</summary>
    public bool UntilLoss { get; init; }

    /// <summary>Messages per second that the publishers aim at.</summary>
    public int Rate { get; init; } = 800;

    /// <summary>A kill comes at most this long after the application is ready.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Where everything is kept; a new folder unless set. Removed when nothing is broken.</summary>
    public string Folder { get; init; } = "";

    /// <summary>The crash application's assembly.</summary>
    public string App { get; init; } = DefaultApp;

    /// <summary>Keeps the folder in any case.</summary>
    public bool Keep { get; init; }

    /// <summary>The crash application of the same build.</summary>
    public static string DefaultApp
    {
        get
        {
            // tests/{this project}/bin/{configuration}/net10.0/
            string output = AppContext.BaseDirectory.TrimEnd('/');
            string tests = Path.GetFullPath(Path.Combine(output, "../../../.."));
            return Path.Combine(tests, "Postroom.CrashApp", "bin", Path.GetRelativePath(Path.Combine(output, "../.."), output), "Postroom.CrashApp.dll");
        }
    }

    /// <summary>The shipped program of the same build.</summary>
    public static string DefaultHost
    {
        get
        {
            string output = AppContext.BaseDirectory.TrimEnd('/');
            string root = Path.GetFullPath(Path.Combine(output, "../../../../.."));
            return Path.Combine(root, "src", "Postroom.Host", "bin", Path.GetRelativePath(Path.Combine(output, "../.."), output), "Postroom.Host.dll");
        }
    }

    /// <summary>Reads a command line.</summary>
    public static CampaignOptions Parse(string[] args)
    {
        CampaignOptions options = new();
        for (int i = 0; i < args.Length; i++)
        {
            string Value() => i + 1 < args.Length ? args[++i] : throw new ArgumentException($"'{args[i]}' needs a value.");
            int Number() => int.Parse(Value(), CultureInfo.InvariantCulture);
            options = args[i] switch
            {
                "--kills" => options with { Kills = Number() },
                "--seed" => options with { Seed = Number() },
                "--power-cuts" => options with { PowerCuts = Number() },
                "--restarts" => options with { Restarts = Number() },
                "--restart-rate" => options with { RestartRate = Number() },
                "--host" => options with { HostApp = Value() },
                "--synchronous" => options with { Synchronous = Value() },
                "--until-loss" => options with { UntilLoss = true },
                "--rate" => options with { Rate = Number() },
                "--window" => options with { Window = TimeSpan.FromMilliseconds(Number()) },
                "--folder" => options with { Folder = Value() },
                "--app" => options with { App = Value() },
                "--keep" => options with { Keep = true },
                _ => throw new ArgumentException(
                    $"'{args[i]}' is not an option. There are --kills N, --seed S, --power-cuts N, --restarts N, --restart-rate N, --host PROGRAM, --synchronous full|normal, --until-loss, --rate N, --window MS, --folder DIR, --app DLL, --keep."),
            };
        }

        return options.Folder.Length > 0 ? options : options with { Folder = Directory.CreateTempSubdirectory("postroom-crash-").FullName };
    }
}
