namespace Postroom.Configuration;

/// <summary>One setting in force, fit to be shown: secrets read <c>***</c>.</summary>
/// <param name="Key">The path, such as <c>store.path</c>.</param>
/// <param name="Value">The value as text; null when the setting is not set and has no default.</param>
/// <param name="Origin">The layer that won, with file and line.</param>
/// <param name="IsSecret">Whether the value is masked.</param>
public sealed record SettingView(string Key, string? Value, SettingOrigin Origin, bool IsSecret);
