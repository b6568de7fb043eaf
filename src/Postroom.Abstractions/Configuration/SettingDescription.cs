namespace Postroom.Configuration;

/// <summary>What the code that reads a setting says of it.</summary>
/// <param name="Key">Where it is; names that users choose stand in braces, items of lists as <c>[n]</c>.</param>
/// <param name="Type">What is written.</param>
/// <param name="Default">What counts when nothing is written; null for nothing.</param>
/// <param name="Range">What is allowed; null for anything of the type.</param>
internal sealed record SettingDescription(string Key, string Type, string? Default, string? Range);
