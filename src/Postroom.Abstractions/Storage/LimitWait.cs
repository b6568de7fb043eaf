namespace Postroom;

/// <summary>What keeps a message that waits at a limit of its queue (QU-5).</summary>
/// <param name="Limit">The limit.</param>
/// <param name="Key">What it counts by in this message, such as a sender.</param>
/// <param name="Ahead">How many messages of the key wait before this one.</param>
/// <param name="Until">When its turn comes, as far as that can be told now; null when it waits for one of those in work to end.</param>
public sealed record LimitWait(QueueLimit Limit, string Key, int Ahead, DateTimeOffset? Until);
