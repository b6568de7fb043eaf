using Postroom.Configuration;

namespace Postroom.Host;

/// <summary>What holds when there is no configuration file: the web chat and the module that answers it.</summary>
internal static class FirstStart
{
    /// <summary>The name of the layer, as views show it.</summary>
    public const string LayerName = "first start";

    /// <summary>The settings that make the web chat.</summary>
    public static IReadOnlyList<string> WebChat { get; } = ["communications.enabled=true", "communications.backends.emulator.type=emulator"];

    /// <summary>The layer; any other layer wins over it.</summary>
    public static IConfigurationLayer Layer() => new CommandLineConfigurationLayer(WebChat, LayerName);
}
