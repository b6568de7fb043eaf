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

    private static readonly string[] InOrder = [PlatformFile, ApplicationFile, Database, Environment, CommandLine, Overrides];

    /// <summary>Whether one layer wins over another; a layer with another name wins over none of these.</summary>
    internal static bool IsLater(string layer, string other) => Array.IndexOf(InOrder, layer) > Array.IndexOf(InOrder, other);
}
