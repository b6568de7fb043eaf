namespace Postroom.Configuration;

/// <summary>One setting that differs between two snapshots; secrets read <c>***</c>.</summary>
/// <param name="Key">The path, such as <c>workers.orders.parallelism</c>.</param>
/// <param name="Old">The former value; null when it was not set.</param>
/// <param name="New">The present value; null when it is not set any more.</param>
/// <param name="NeedsRestart">Whether it takes effect only after a restart.</param>
public sealed record SettingChange(string Key, string? Old, string? New, bool NeedsRestart);
