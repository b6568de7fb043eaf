using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>What administrators do to the store as a whole: copy it, and erase what it keeps of a contact (CP-10).</summary>
internal sealed class StoreActions(IRuntimeView runtime, OperatorAction action, TimeProvider clock)
{
    private const int MaxBody = 4_096;

    /// <summary>Copies the store while messages flow (ST-23).</summary>
    public async Task BackupAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, null, OperationJson.Default.BackupRequest) is not { } request)
        {
            return;
        }

        JsonObject detail = [];
        await action.DoAsync(
            context,
            "store.backup",
            request.File ?? "",
            async token =>
            {
                long begun = clock.GetTimestamp();
                FileInfo copy = await runtime.Control.BackupAsync(request.File is { Length: > 0 } file ? file : throw new BadRequestException("file", "file is required: a new file in the data directory, such as backup.db."), token);
                detail["bytes"] = copy.Length;
                return new BackupView(copy.FullName, copy.Length, (long)clock.GetElapsedTime(begun).TotalMilliseconds);
            },
            OperationJson.Default.BackupView,
            detail: detail);
    }

    /// <summary>Erases what is kept of a contact's finished messages (JN-12).</summary>
    public async Task EraseAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new ConfirmRequest(), OperationJson.Default.ConfirmRequest) is not { } request)
        {
            return;
        }

        string text = (context.Request.RouteValues["address"] as string ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        JsonObject detail = new() { ["confirm"] = request.Confirm };
        await action.DoAsync(
            context,
            "contact.erase",
            text,
            async token =>
            {
                Address contact = Address.TryParse(text, out Address? parsed) && parsed.Kind == AddressKind.Recipient ? parsed
                    : throw new BadRequestException("address", $"'{Names.Shorten(text)}' is no contact. Write communicator:recipient, such as telegram:4711.");
                ContactMessages kept = await runtime.Control.CountContactAsync(contact, token);
                if (kept.Open > 0)
                {
                    throw new RuntimeConflictException($"{contact} has {kept.Open} open message{(kept.Open == 1 ? "" : "s")}, so nothing was erased. Wait until they have ended, or discard them.");
                }

                ConfirmCountException.Check(request.Confirm, kept.Finished, $"messages of {contact}");
                long erased = await runtime.Control.EraseAsync(contact, token);
                detail["erased"] = erased;
                return new ErasedView(erased);
            },
            OperationJson.Default.ErasedView,
            detail: detail);
    }
}
