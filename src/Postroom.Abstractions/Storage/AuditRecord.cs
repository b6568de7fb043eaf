using System.Text.Json;

namespace Postroom;

/// <summary>What a person did, as the audit keeps it in a <see cref="StoreNote"/>.</summary>
public sealed record AuditRecord
{
    /// <summary>When; the instant of the note.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>The name of the key that was used; empty for none.</summary>
    public string User { get; init; } = "";

    /// <summary>The role of that key, a lower-case word.</summary>
    public string Role { get; init; } = "";

    /// <summary>The address the request came from.</summary>
    public string Remote { get; init; } = "";

    /// <summary>What was done, such as <c>journal.replay</c>.</summary>
    public string Action { get; init; } = "";

    /// <summary>To what it was done.</summary>
    public string Target { get; init; } = "";

    /// <summary><c>done</c>, or why it was refused.</summary>
    public string Result { get; init; } = "";

    /// <summary>What else is known of it, a JSON object: a reason, a number, what a setting was and is (SPEC ST-21). Secrets are masked, texts are cut; null for nothing.</summary>
    public JsonElement? Detail { get; init; }
}
