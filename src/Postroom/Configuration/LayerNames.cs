namespace Postroom.Configuration;

/// <summary>The names of the built-in layers, in the order in which later ones win.</summary>
public static class LayerNames
{
    /// <summary>The platform file.</summary>
    public const string PlatformFile = "platform file";

    /// <summary>The application file.</summary>
    public const string ApplicationFile = "application file";

    /// <summary>Settings in the database.</summary>
    public const string Database = "database";

    /// <summary>The environment.</summary>
    public const string Environment = "environment";

    /// <summary>The command line.</summary>
    public const string CommandLine = "command line";

    /// <summary>Overrides made while running.</summary>
    public const string Overrides = "overrides";
}
