using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Traces: a view over the times of the journal, with the spans that are kept while a transport is on (TR-4). Reads only.</summary>
internal sealed class TraceEndpoints(IRuntimeView runtime, IJournal journal)
{
    private const int MostLooked = 2_000;

    /// <summary>How many messages of a trace are looked at for its line in the list.</summary>
    private const int MostOfOne = 20;

    /// <summary>Traces by the message they began with, newest first. One page looks at so many messages at most and says where to go on.</summary>
    public async Task ListAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "queue");
        string? queue = query.Text("queue");
        List<TraceHeadView> found = [];
        long? place = query.Cursor;
        int looked = 0;
        bool ended = true;
        await foreach (JournalEntry entry in journal.EachAsync(new JournalQuery { Queue = queue, Cursor = place, Limit = 100 }, context.RequestAborted))
        {
            if (found.Count == query.Limit || ++looked > MostLooked)
            {
                ended = false;
                break;
            }

            place = entry.Envelope.Seq;
            if (entry.Envelope.ParentId is null)
            {
                found.Add(await HeadOfAsync(entry, context.RequestAborted));
            }
        }

        Total total = ended && query.Cursor is null
            ? new Total(found.Count, AtLeast: false)
            : await Total.CountAsync(journal.EachAsync(new JournalQuery { Queue = queue, Limit = 100 }, context.RequestAborted), static entry => entry.Envelope.ParentId is null);
        ListView<TraceHeadView> page = new(found, found.Count, total.Number, query.Limit, 0, ended ? null : place, total.Mark);
        await ApiAnswer.WriteAsync(context, page, TraceJson.Default.ListViewTraceHeadView);
    }

    /// <summary>One trace, by its id or by the id of one of its messages.</summary>
    public async Task OneAsync(HttpContext context)
    {
        string asked = (context.Request.RouteValues["id"] as string ?? "").ToLowerInvariant();
        if (!IsId(asked))
        {
            throw new BadRequestException("id", $"'{Names.Shorten(asked)}' is neither a trace id of 32 hexadecimal digits nor a message id.");
        }

        TraceTree tree = new(journal);
        string id = await tree.ReadAsync(asked, context.RequestAborted) ?? asked;
        KeptSpanView[] kept = [.. runtime.KeptSpans(id).Select(KeptSpanView.Of)];
        await ApiAnswer.WriteOrNotFoundAsync(context, ViewOf(id, tree, kept), TraceJson.Default.TraceView, $"trace '{asked}'");
    }

    private async ValueTask<TraceHeadView> HeadOfAsync(JournalEntry first, CancellationToken cancellationToken)
    {
        TraceTree tree = new(journal, MostOfOne);
        await tree.ReadBelowAsync(first.Envelope.Id, cancellationToken);
        return TraceHeadView.Of(first.Envelope, tree.Entries.Count > 0 ? tree.Entries : [first], tree.IsTruncated);
    }

    private static TraceView? ViewOf(string id, TraceTree tree, KeptSpanView[] kept)
    {
        JournalRecord[] records = [.. tree.Records];
        if (records.Length == 0 && kept.Length == 0)
        {
            return null;
        }

        DateTimeOffset begun = records.Select(static record => record.Entry.Envelope.CreatedAt).Concat(kept.Select(static span => span.StartedAt)).Min();
        DateTimeOffset? ended = Array.TrueForAll(records, static record => record.Entry.FinishedAt is not null)
            ? records.Select(static record => record.Entry.FinishedAt!.Value).Concat(kept.Select(static span => span.StartedAt.AddMilliseconds(span.DurationMs))).Max()
            : null;
        return new TraceView(
            id, begun, ended, (ended - begun)?.TotalMilliseconds, records.Length, tree.IsTruncated ? true : null,
            [.. records.SelectMany(TraceTree.SpansOf).OrderBy(static span => span.StartedAt ?? span.EndedAt ?? DateTimeOffset.MaxValue)], kept);
    }

    private static bool IsId(string text) => text.Length is 32 or 36 && Guid.TryParse(text, out _);
}
