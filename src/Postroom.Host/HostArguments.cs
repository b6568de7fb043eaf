namespace Postroom.Host;

/// <summary>The global options of the command line.</summary>
internal sealed record HostArguments
{
    /// <summary>The platform file of <c>--config</c>; null looks for one in the working directory.</summary>
    public string? Config { get; init; }

    /// <summary>The application file of <c>--app-config</c>; null for none.</summary>
    public string? AppConfig { get; init; }

    /// <summary>The values of <c>--set</c>, in order.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];

    /// <summary>Where a running runtime answers; null finds the one of the data directory.</summary>
    public string? Url { get; init; }

    /// <summary>The key for it; null reads the admin key of the data directory.</summary>
    public string? Token { get; init; }

    /// <summary>The store file to read when no runtime runs; null for the configured one.</summary>
    public string? Store { get; init; }

    /// <summary>Prints JSON.</summary>
    public bool Json { get; init; }

    /// <summary>Prints results only.</summary>
    public bool Quiet { get; init; }

    /// <summary>Answers questions with yes.</summary>
    public bool Yes { get; init; }

    /// <summary>Starts without sources.</summary>
    public bool Paused { get; init; }

    /// <summary>The words that lead to the same configuration.</summary>
    public IEnumerable<string> SettingWords() =>
    [
        .. Config is null ? [] : (string[])["--config", Config],
        .. AppConfig is null ? [] : (string[])["--app-config", AppConfig],
        .. Settings.SelectMany(static setting => (string[])["--set", setting]),
    ];

    /// <summary>Reads the options that a program passes on to <c>PostOffice.StartAsync</c>; words it does not know are the program's own.</summary>
    public static HostArguments Parse(string[] args)
    {
        List<string> settings = [];
        HostArguments result = new();
        for (int i = 0; i < args.Length; i++)
        {
            string? value = i + 1 < args.Length ? args[i + 1] : null;
            switch (args[i])
            {
                case "--config" when value is not null:
                    result = result with { Config = value };
                    i++;
                    break;
                case "--app-config" when value is not null:
                    result = result with { AppConfig = value };
                    i++;
                    break;
                case "--set" when value is not null:
                    settings.Add(value);
                    i++;
                    break;
                case "--paused":
                    result = result with { Paused = true };
                    break;
            }
        }

        return result with { Settings = settings };
    }
}
