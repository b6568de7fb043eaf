namespace Postroom.Configuration;

/// <summary>What one pass over the settings collects: every problem, every setting read, every secret met. Used by one thread.</summary>
internal sealed class BindingSession
{
    public List<ConfigurationProblem> Problems { get; } = [];

    public List<SettingReading> Readings { get; } = [];

    public List<string> Secrets { get; } = [];

    /// <summary>What is said of settings, when they are described instead of read; null otherwise.</summary>
    public List<SettingDescription>? Descriptions { get; private init; }

    /// <summary>Has code that reads settings say what it would read: each map of named things is shown once, and each list.</summary>
    /// <param name="path">Where the map is that the code reads; empty for the root.</param>
    /// <param name="read">Reads everything it knows.</param>
    public static IReadOnlyList<SettingDescription> Describe(string path, Action<SectionReader> read)
    {
        BindingSession session = new() { Descriptions = [] };
        read(new SectionReader(session, path, SettingMap.Empty, SettingOrigin.Defaults));
        return session.Descriptions;
    }

    public SectionReader Root(SettingMap map) => new(this, "", map, map.Origin);
}
