using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>The journal, read (CP-10).</summary>
internal sealed class JournalEndpoints(IRuntimeView runtime, IJournal journal, AuditTrail audit, OperatorAction action, FlowHistory history, KeyGate gate, TimeProvider clock)
{
    public static readonly string[] Filters = ["state", "queue", "conversation", "from", "to", "type", "direction", "kind", "group", "since", "until", "q", "order"];

    /// <summary>Messages that fit the filters, newest first.</summary>
    public async Task ListAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, Filters);
        JournalQuery filter = new()
        {
            States = query.Words<MessageState>("state"),
            Queue = query.Text("queue"),
            Conversation = query.Text("conversation"),
            From = query.Text("from"),
            To = query.Text("to"),
            Type = query.Text("type"),
            Direction = query.Word<MessageDirection>("direction"),
            Kinds = query.Words<FailureKind>("kind"),
            Group = query.Id("group"),
            Since = query.Instant("since"),
            Until = query.Instant("until"),
            Text = query.Text("q"),
            Ascending = query.Text("order") switch
            {
                null or "desc" => false,
                "asc" => true,
                string other => throw new BadRequestException("order", $"order '{Names.Shorten(other)}' is unknown. Valid: asc, desc."),
            },
        };
        await WritePageAsync(context, journal, filter, query);
    }

    /// <summary>Counts, and what the last recovery found.</summary>
    public async Task StatsAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "queue");
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        if (status.Counts is not { } counts)
        {
            throw new StoreUnavailableException("The store is not open yet.");
        }

        JournalStatsView view = new(CountsView.Of(counts, query.Text("queue"), clock.GetUtcNow()), status.Recovery is { } recovery ? RecoveryView.Of(recovery) : null, history.Rates(query.Text("queue")));
        await ApiAnswer.WriteAsync(context, view, JournalJson.Default.JournalStatsView);
    }

    /// <summary>One message, by its id, an id outside, or a unique beginning of its id; with its body for operators who ask.</summary>
    public async Task OneAsync(HttpContext context)
    {
        bool withBody = ApiQuery.Of(context, "body").Flag("body");
        if (withBody && !await gate.AdmitAsync(context, ApiRole.Operator))
        {
            return;
        }

        FoundMessage found = await new WhyReader(journal, runtime.Facts, clock).FindAsync(TextOf(context), context.RequestAborted);
        if (found.Several)
        {
            await WriteSeveralAsync(context, found);
            return;
        }

        JournalRecord? record = found.Id is { } id ? await journal.GetAsync(id, withBody, context.RequestAborted) : null;
        if (record is not null && withBody)
        {
            await audit.WriteAsync(context, "journal.body", record.Entry.Envelope.Id.ToString(), record.Entry.Envelope.Id);
        }

        MessageDetailView? view = record is null ? null : MessageDetailView.Of(record, withBody);
        await ApiAnswer.WriteOrNotFoundAsync(context, view, JournalJson.Default.MessageDetailView, "such message");
    }

    /// <summary>Its story and one sentence.</summary>
    public async Task WhyAsync(HttpContext context)
    {
        WhyReader reader = new(journal, runtime.Facts, clock);
        FoundMessage found = await reader.FindAsync(TextOf(context), context.RequestAborted);
        if (found.Several)
        {
            await WriteSeveralAsync(context, found);
            return;
        }

        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        WhyReport? report = found.Id is { } id ? await reader.ReadAsync(id, status, context.RequestAborted) : null;
        WhyView? view = report is null ? null : WhyView.Of(report);
        await ApiAnswer.WriteOrNotFoundAsync(context, view, JournalJson.Default.WhyView, "such message");
    }

    /// <summary>The bytes of a body.</summary>
    public async Task BodyAsync(HttpContext context)
    {
        if (await FindAsync(context, withBody: true) is not { } record)
        {
            await ApiAnswer.NotFoundAsync(context, "such message");
            return;
        }

        Envelope envelope = record.Entry.Envelope;
        ReadOnlyMemory<byte>? body = envelope.Header(HeaderNames.Erased) is null ? envelope.Body : default(ReadOnlyMemory<byte>?);
        string name = envelope.Id + MediaTypes.ExtensionOf(envelope.ContentType);
        await WriteFileAsync(context, envelope.Id, "journal.body", body, name, envelope.ContentType);
    }

    /// <summary>The bytes of one attachment, by its number from 0.</summary>
    public async Task AttachmentAsync(HttpContext context)
    {
        JournalRecord? record = await FindAsync(context, withBody: true);
        if (record?.Entry.Envelope.Header(HeaderNames.Erased) is not null)
        {
            await WriteFileAsync(context, record.Entry.Envelope.Id, "journal.attachment", null, "", "");
            return;
        }

        IReadOnlyList<Attachment> files = record?.Entry.Envelope.Attachments ?? [];
        if (!int.TryParse(context.Request.RouteValues["number"] as string, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || number >= files.Count || files[number].Reference is not null)
        {
            await ApiAnswer.NotFoundAsync(context, "such attachment");
            return;
        }

        await WriteFileAsync(context, record!.Entry.Envelope.Id, "journal.attachment", files[number].Data, files[number].Name, files[number].ContentType);
    }

    /// <summary>Makes a finished message due again (JN-3).</summary>
    public async Task ReplayAsync(HttpContext context)
    {
        RequestBody body = await RequestBody.ReadOptionalAsync(context.Request, 4_096, new ReplayRequest(), JournalJson.Default.ReplayRequest, context.RequestAborted);
        if (body is not RequestBody.Value<ReplayRequest> { Read: { } request })
        {
            await ((RequestBody.Refused)body).ToProblem().WriteAsync(context);
            return;
        }

        if (!MessageId.TryParse(context.Request.RouteValues["id"] as string, out MessageId id) || await journal.GetAsync(id, withBody: false, context.RequestAborted) is null)
        {
            await ApiAnswer.NotFoundAsync(context, "such message");
            return;
        }

        if (request.DryRun is { } dryRun)
        {
            await DryRunAsync(context, id, dryRun);
            return;
        }

        ReplayOptions options = new() { Force = request.Force, KeepAttempts = request.KeepAttempts };
        JsonObject detail = new() { ["force"] = request.Force ? true : null, ["keepAttempts"] = request.KeepAttempts ? true : null };
        await action.DoAsync(
            context,
            "journal.replay",
            id.ToString(),
            async token =>
            {
                MessageId replayed = await journal.ReplayAsync(id, options, token);
                detail["id"] = replayed == id ? null : replayed.ToString();
                return new ReplayView(replayed.ToString());
            },
            JournalJson.Default.ReplayView,
            StatusCodes.Status202Accepted,
            id,
            detail);
    }

    /// <summary>What the handler would do, without its effect (JN-4).</summary>
    private Task DryRunAsync(HttpContext context, MessageId id, string dryRun) => dryRun == "handler"
        ? action.DoAsync(
            context, "journal.dryrun", id.ToString(), async token => DryRunView.Of(await runtime.Control.DryRunAsync(id, token)), JournalJson.Default.DryRunView, message: id)
        : throw new BadRequestException("dryRun", $"dryRun is '{Names.Shorten(dryRun)}'; of one message there is handler, which runs its handler without effect.");

    /// <summary>Writes one page of a query.</summary>
    internal static async Task WritePageAsync(HttpContext context, IJournal journal, JournalQuery filter, ApiQuery query)
    {
        JournalPage page = await journal.QueryAsync(filter with { Limit = query.Limit, Offset = query.Offset, Cursor = query.Cursor }, context.RequestAborted);
        ListView<MessageView> view = new(
            [.. page.Items.Select(MessageView.Of)], page.Items.Count, page.Total, query.Limit, query.Offset, page.Next, page.TotalIsAtLeast ? true : null);
        await ApiAnswer.WriteAsync(context, view, JournalJson.Default.ListViewMessageView);
    }

    private async ValueTask<JournalRecord?> FindAsync(HttpContext context, bool withBody)
    {
        return MessageId.TryParse(TextOf(context), out MessageId id) ? await journal.GetAsync(id, withBody, context.RequestAborted) : null;
    }

    private static string TextOf(HttpContext context) => context.Request.RouteValues["id"] as string ?? "";

    private static Task WriteSeveralAsync(HttpContext context, FoundMessage found) =>
        new Problem { Status = 409, Code = ProblemCode.Conflict, Detail = found.Complain(TextOf(context)) }.WriteAsync(context);

    private async Task WriteFileAsync(HttpContext context, MessageId id, string action, ReadOnlyMemory<byte>? data, string name, string contentType)
    {
        if (data is not { } bytes)
        {
            await new Problem { Status = 410, Code = ProblemCode.Gone, Detail = "The content was erased; the record of the message is kept." }.WriteAsync(context);
            return;
        }

        await audit.WriteAsync(context, action, name, id);

        // Always a download, never a page of this origin: the content is whatever a stranger sent.
        ContentDispositionHeaderValue disposition = new("attachment");
        disposition.SetHttpFileName(name);
        context.Response.Headers.ContentDisposition = disposition.ToString();
        context.Response.ContentType = MediaTypes.IsMediaType(contentType) ? contentType : MediaTypes.Unknown;
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
