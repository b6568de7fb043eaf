using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Writes down who did what (CP-9). What cannot be written down is not done.</summary>
internal sealed class AuditTrail(IRuntimeView runtime, TimeProvider clock)
{
    /// <summary>Records an action of the caller whom <see cref="KeyGate"/> let through.</summary>
    /// <param name="context">The request.</param>
    /// <param name="action">What was done.</param>
    /// <param name="target">To what.</param>
    /// <param name="message">The message it is about; null for none.</param>
    /// <param name="result">How it ended.</param>
    /// <param name="at">When it was asked for; null for now.</param>
    public async ValueTask WriteAsync(HttpContext context, string action, string target, MessageId? message, string result = "done", DateTimeOffset? at = null)
    {
        ApiKey? key = context.Features.Get<ApiKey>();
        AuditRecord entry = new()
        {
            At = at ?? clock.GetUtcNow(),
            User = key?.Name ?? "",
            Role = key?.Role.ToString().ToLowerInvariant() ?? "",
            Remote = KeyGate.AddressOf(context),
            Action = action,
            Target = target,
            Result = result,
        };
        byte[] data = JsonSerializer.SerializeToUtf8Bytes(entry, PostroomJson.Default.AuditRecord);
        await runtime.WriteNotesAsync([new StoreNote(NoteKind.Audit, entry.At, data) { MessageId = message }], context.RequestAborted);
    }
}
