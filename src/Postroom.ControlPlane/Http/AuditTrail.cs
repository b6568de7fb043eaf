using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>Who asks, as the audit names them.</summary>
/// <param name="User">The name of the key; empty for none.</param>
/// <param name="Role">Its role; empty for none.</param>
/// <param name="Remote">The address.</param>
internal sealed record Caller(string User, string Role, string Remote)
{
    /// <summary>The caller whom <see cref="KeyGate"/> let through.</summary>
    public static Caller Of(HttpContext context)
    {
        ApiKey? key = context.Features.Get<ApiKey>();
        return new Caller(key?.Name ?? "", key?.Role.ToString().ToLowerInvariant() ?? "", KeyGate.AddressOf(context));
    }
}

/// <summary>One row that the audit is to have.</summary>
/// <param name="Who">Who asks.</param>
/// <param name="Action">What is done.</param>
/// <param name="Target">To what.</param>
internal sealed record AuditRow(Caller Who, string Action, string Target)
{
    /// <summary>The message it is about; null for none.</summary>
    public MessageId? Message { get; init; }

    /// <summary>How it ended.</summary>
    public string Result { get; init; } = "done";

    /// <summary>When it was asked for; null for now.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>What else is worth knowing; null for nothing. Its texts are masked and cut when it is written.</summary>
    public JsonObject? Detail { get; init; }
}

/// <summary>Writes down who did what (CP-9).</summary>
/// <remarks>
/// What shows something (a body) is written down before it is shown. What changes something is written down once it has ended, with how it ended; a row that the store cannot
/// take then goes to the log as a whole, since the change is made.
/// </remarks>
internal sealed partial class AuditTrail(IRuntimeView runtime, Redactor redactor, TimeProvider clock, ILogger<AuditTrail> logger)
{
    private const int LongestText = 1_000;
    private const int MostItems = 100;

    /// <summary>Records that somebody is about to see something.</summary>
    /// <exception cref="StoreUnavailableException">It cannot be written down, so nothing is to be shown.</exception>
    public ValueTask WriteAsync(HttpContext context, string action, string target, MessageId message) =>
        runtime.WriteNotesAsync([NoteOf(new AuditRow(Caller.Of(context), action, target) { Message = message })], context.RequestAborted);

    /// <summary>Records what has been done. It waits for the store, whatever becomes of the caller.</summary>
    public async ValueTask WriteAsync(AuditRow row)
    {
        StoreNote note = NoteOf(row);
        try
        {
            await runtime.WriteNotesAsync([note], CancellationToken.None);
        }
        catch (Exception e) when (e is StoreUnavailableException or ObjectDisposedException or OperationCanceledException)
        {
            LogUnwritten(System.Text.Encoding.UTF8.GetString(note.Data.Span), e.Message);
        }
    }

    private StoreNote NoteOf(AuditRow row)
    {
        AuditRecord entry = new()
        {
            At = row.At ?? clock.GetUtcNow(),
            User = row.Who.User,
            Role = row.Who.Role,
            Remote = row.Who.Remote,
            Action = row.Action,
            Target = redactor.Redact(row.Target),
            Result = row.Result,
            Detail = row.Detail is { Count: > 0 } detail ? ElementOf(detail) : null,
        };
        return new StoreNote(NoteKind.Audit, entry.At, JsonSerializer.SerializeToUtf8Bytes(entry, PostroomJson.Default.AuditRecord)) { MessageId = row.Message };
    }

    private JsonElement ElementOf(JsonObject detail)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            Masked(detail)!.WriteTo(writer);
        }

        return JsonElement.Parse(bytes.ToArray());
    }

    /// <summary>A copy whose texts are masked and cut, and whose lists are of a bounded length. What is absent is left out.</summary>
    private JsonNode? Masked(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.Where(static pair => pair.Value is not null).Take(MostItems).Select(pair => KeyValuePair.Create(pair.Key, Masked(pair.Value)))),
        JsonArray list => new JsonArray([.. list.Take(MostItems).Select(Masked)]),
        JsonValue value when value.TryGetValue(out string? text) => Names.Shorten(redactor.Redact(text), LongestText),
        _ => node?.DeepClone(),
    };

    [LoggerMessage(4020, LogLevel.Error, "What an operator did was done, and the store cannot take its audit row: {Row}: {Reason}")]
    private partial void LogUnwritten(string row, string reason);
}
