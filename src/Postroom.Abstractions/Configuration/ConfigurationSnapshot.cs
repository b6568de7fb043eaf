using System.Collections.Frozen;

namespace Postroom.Configuration;

/// <summary>The whole configuration at one moment: validated, typed and not changed any more.</summary>
public sealed class ConfigurationSnapshot
{
    private readonly FrozenDictionary<string, object> _sections;
    private readonly IReadOnlyList<SettingView> _view;

    internal ConfigurationSnapshot(
        long version, IReadOnlyDictionary<string, object> sections, IReadOnlyList<SettingReading> readings, IReadOnlyList<ConfigurationProblem> notices, Redactor redactor)
    {
        Version = version;
        Notices = notices;
        Readings = readings;
        _sections = sections.ToFrozenDictionary(SettingKey.Comparer);
        _view = [.. readings.Select(reading => reading.ToView(redactor))];
    }

    private ConfigurationSnapshot(long version, ConfigurationSnapshot content)
    {
        Version = version;
        Notices = content.Notices;
        Readings = content.Readings;
        _sections = content._sections;
        _view = content._view;
    }

    /// <summary>Rises by one with each snapshot published in this process; 1 is the first.</summary>
    public long Version { get; }

    /// <summary>What the user should know about these settings, though they are used.</summary>
    public IReadOnlyList<ConfigurationProblem> Notices { get; }

    internal IReadOnlyList<SettingReading> Readings { get; }

    /// <summary>The settings of all sections.</summary>
    internal IEnumerable<object> Sections => _sections.Values;

    /// <summary>The settings of one section.</summary>
    /// <typeparam name="T">The type the section was described with.</typeparam>
    /// <param name="section">The section's name, such as <c>queues</c>.</param>
    /// <exception cref="KeyNotFoundException">There is no such section; the message names those there are.</exception>
    /// <exception cref="InvalidCastException">The section has another type; the message names it.</exception>
    public T Get<T>(string section)
        where T : class
    {
        if (!_sections.TryGetValue(section, out object? value))
        {
            throw new KeyNotFoundException($"There is no section '{section}'. {NearestName.Hint(section, _sections.Keys)}");
        }

        return value as T ?? throw new InvalidCastException($"Section '{section}' is a {value.GetType().Name}, not a {typeof(T).Name}.");
    }

    /// <summary>Every setting in force with the layer that won, fit to be shown: secrets read <c>***</c>.</summary>
    public IReadOnlyList<SettingView> View() => _view;

    /// <summary>The same content as a new version, for going back to it.</summary>
    internal ConfigurationSnapshot WithVersion(long version) => new(version, this);
}
