namespace Postroom.Configuration;

/// <summary>What one pass over the settings collects: every problem, every setting read, every secret met. Used by one thread.</summary>
internal sealed class BindingSession
{
    public List<ConfigurationProblem> Problems { get; } = [];

    public List<SettingReading> Readings { get; } = [];

    public List<string> Secrets { get; } = [];

    public SectionReader Root(SettingMap map) => new(this, "", map, map.Origin);
}
