namespace Postroom.Configuration;

/// <summary>One setting as a section read it: what a view shows and a reload compares.</summary>
internal sealed class SettingReading(string key, string? text, SettingOrigin origin, bool isSecret)
{
    public string Key { get; } = key;

    /// <summary>The value itself, secrets included; only compared, never shown.</summary>
    public string? Text { get; } = text;

    public SettingOrigin Origin { get; } = origin;

    public bool IsSecret { get; } = isSecret;

    public SettingView ToView(Redactor redactor) =>
        new(Key, Text is null ? null : IsSecret ? Secret.Mask : redactor.Redact(Text), Origin, IsSecret);

    public override string ToString() => $"{Key}: {(IsSecret ? Secret.Mask : Text)}";
}
