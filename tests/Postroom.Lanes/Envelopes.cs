using System.Text.Json;

namespace Postroom.Lanes;

/// <summary>Reads what is in stored messages.</summary>
internal static class Envelopes
{
    /// <summary>The text of an outgoing message; empty when its body is not there.</summary>
    public static string TextOf(JournalEntry entry) => entry.Envelope.Body.IsEmpty
        ? ""
        : JsonSerializer.Deserialize(entry.Envelope.Body.Span, PostroomJson.Default.OutgoingMessage)?.Message ?? "";
}
