namespace Postroom.Configuration;

/// <summary>One value as text; numbers, booleans, durations and sizes are read from it by whoever knows the setting.</summary>
/// <param name="text">The text; null says "as if it were not set", and hides earlier layers.</param>
/// <param name="origin">Where it was written.</param>
public sealed class SettingValue(string? text, SettingOrigin origin) : SettingNode(origin)
{
    /// <summary>The text; null says "as if it were not set".</summary>
    public string? Text { get; } = text;

    /// <summary>Whether a secret store gave it, or a part of it. It is then masked wherever it is shown.</summary>
    public bool IsSecret { get; init; }

    /// <summary>Whether it could not be expanded; that is reported already, so readers take the default and say nothing more.</summary>
    internal bool IsBroken { get; init; }

    internal override string Kind => "a value";

    /// <summary>The text, or <c>***</c> for a secret.</summary>
    public override string ToString() => IsSecret ? Secret.Mask : Text ?? "null";
}
