namespace Postroom;

/// <summary>Which part of a message a <see cref="QueueLimit"/> counts by.</summary>
/// <param name="Kind">Which part.</param>
/// <param name="Header">The header's name for <see cref="LimitKeyKind.Header"/>; null otherwise.</param>
public readonly record struct LimitKey(LimitKeyKind Kind, string? Header = null)
{
    /// <summary>What a setting may say.</summary>
    internal const string Forms = "orderKey, from, to or header:{name}";

    private const string HeaderPrefix = "header:";

    /// <summary>Reads <c>orderKey</c>, <c>from</c>, <c>to</c> or <c>header:{name}</c>.</summary>
    /// <param name="text">The text, in any case; a header's name is kept as written.</param>
    /// <returns>The key, or null when the text is none of these.</returns>
    public static LimitKey? TryParse(string? text) => text?.ToUpperInvariant() switch
    {
        "ORDERKEY" or "ORDER_KEY" => new LimitKey(LimitKeyKind.OrderKey),
        "FROM" => new LimitKey(LimitKeyKind.From),
        "TO" => new LimitKey(LimitKeyKind.To),
        { } upper when upper.StartsWith("HEADER:", StringComparison.Ordinal) && text[HeaderPrefix.Length..].Trim() is { Length: > 0 } name =>
            new LimitKey(LimitKeyKind.Header, name),
        _ => null,
    };

    /// <summary>This part of a message; null when it has none, and the bound does not count it.</summary>
    public string? ValueOf(Envelope envelope) => Kind switch
    {
        LimitKeyKind.OrderKey => envelope.OrderKey is { Length: > 0 } key ? key : null,
        LimitKeyKind.From => envelope.From?.ToString(),
        LimitKeyKind.To => envelope.To?.ToString(),
        _ => Header is { } header ? envelope.Header(header) : null,
    };

    /// <summary>The key as a setting writes it.</summary>
    public override string ToString() => Kind switch
    {
        LimitKeyKind.OrderKey => "orderKey",
        LimitKeyKind.From => "from",
        LimitKeyKind.To => "to",
        _ => HeaderPrefix + Header,
    };
}
