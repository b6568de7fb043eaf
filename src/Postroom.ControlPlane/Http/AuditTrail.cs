using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>One row of the audit.</summary>
internal sealed record AuditRow(string User, string Role, string Remote, string Action, string Target, string Result);

/// <summary>Writes down who did what (CP-9). What cannot be written down is not done.</summary>
internal sealed class AuditTrail(IRuntimeView runtime, TimeProvider clock)
{
    /// <summary>Records an action of the caller whom <see cref="KeyGate"/> let through.</summary>
    public async ValueTask WriteAsync(HttpContext context, string action, string target, MessageId? message, string result = "done")
    {
        ApiKey? key = context.Features.Get<ApiKey>();
        AuditRow row = new(key?.Name ?? "", key?.Role.ToString().ToLowerInvariant() ?? "", KeyGate.AddressOf(context), action, target, result);
        byte[] data = JsonSerializer.SerializeToUtf8Bytes(row, AuditJson.Default.AuditRow);
        await runtime.WriteNotesAsync([new StoreNote(NoteKind.Audit, clock.GetUtcNow(), data) { MessageId = message }], context.RequestAborted);
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(AuditRow))]
internal sealed partial class AuditJson : JsonSerializerContext;
