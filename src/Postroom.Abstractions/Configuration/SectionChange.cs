namespace Postroom.Configuration;

/// <summary>What a subscriber gets: one section before and after, and which of its settings changed.</summary>
/// <typeparam name="T">The section's type.</typeparam>
/// <param name="Old">The former settings.</param>
/// <param name="New">The present settings.</param>
/// <param name="Changes">The settings that differ; at least one.</param>
public sealed record SectionChange<T>(T Old, T New, IReadOnlyList<SettingChange> Changes)
    where T : class;
