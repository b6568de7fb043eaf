namespace Postroom;

/// <summary>What decides the order of a queue's messages: those with the same key are handled one after the other.</summary>
/// <param name="Kind">Which key.</param>
/// <param name="Header">The header's name for <see cref="QueueOrderKind.Header"/>; null otherwise.</param>
public readonly record struct QueueOrder(QueueOrderKind Kind, string? Header = null)
{
    /// <summary>What a setting may say.</summary>
    internal const string Forms = "conversation, none or header:{name}";

    private const string HeaderPrefix = "header:";

    /// <summary>Reads <c>conversation</c>, <c>none</c> or <c>header:{name}</c>.</summary>
    /// <param name="text">The text, in any case; a header's name is kept as written.</param>
    /// <returns>The order, or null when the text is none of these.</returns>
    public static QueueOrder? TryParse(string? text) => text?.ToUpperInvariant() switch
    {
        "CONVERSATION" => new QueueOrder(QueueOrderKind.Conversation),
        "NONE" => new QueueOrder(QueueOrderKind.None),
        { } upper when upper.StartsWith("HEADER:", StringComparison.Ordinal) && text[HeaderPrefix.Length..].Trim() is { Length: > 0 } name =>
            new QueueOrder(QueueOrderKind.Header, name),
        _ => null,
    };

    /// <summary>The order as a setting writes it.</summary>
    public override string ToString() => Kind switch
    {
        QueueOrderKind.Conversation => "conversation",
        QueueOrderKind.None => "none",
        _ => HeaderPrefix + Header,
    };
}
