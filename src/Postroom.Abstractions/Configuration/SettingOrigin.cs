using System.Globalization;

namespace Postroom.Configuration;

/// <summary>Where a setting was written, so that an error can lead there.</summary>
/// <param name="Layer">The layer's name, such as <c>platform file</c>, <c>environment</c> or <c>defaults</c>.</param>
/// <param name="Source">The file, variable or option; null where the layer says it all.</param>
/// <param name="Line">The line in the file, from 1; 0 where there are no lines.</param>
/// <param name="Column">The column in the line, from 1; 0 where there are no lines.</param>
public sealed record SettingOrigin(string Layer, string? Source = null, int Line = 0, int Column = 0)
{
    /// <summary>The origin of settings nobody wrote.</summary>
    public static SettingOrigin Defaults { get; } = new("defaults");

    /// <summary>File with line and column, variable or option; null where the layer says it all.</summary>
    public string? Location => Source is null || Line == 0
        ? Source
        : string.Create(CultureInfo.InvariantCulture, $"{Source}:{Line}:{Column}");

    /// <summary>Such as <c>postroom.yaml:12:5 (platform file)</c>.</summary>
    public override string ToString() => Location is { } location ? $"{location} ({Layer})" : Layer;
}
