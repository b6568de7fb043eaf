using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Conversations, derived from the messages still kept (JN-13, CP-10).</summary>
internal sealed class ConversationEndpoints(IRuntimeView runtime, IJournal journal, KeyGate gate)
{
    private const string Messages = "/messages";
    private const string Script = "/script";
    private const int MostLooked = 2_000;

    /// <summary><c>conversations/{id}</c>, <c>conversations/{id}/messages</c> and, for operators, <c>conversations/{id}/script</c>: an id holds slashes, written as they are or as <c>%2F</c>.</summary>
    public Task OneAsync(HttpContext context)
    {
        string path = (context.Request.RouteValues["path"] as string ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        return path.EndsWith(Messages, StringComparison.Ordinal) && path.Length > Messages.Length
            ? MessagesAsync(context, path[..^Messages.Length])
            : path.EndsWith(Script, StringComparison.Ordinal) && path.Length > Script.Length ? ScriptAsync(context, path[..^Script.Length])
            : ViewAsync(context, path);
    }

    /// <summary>Conversations by their latest message, newest first. One page looks at so many messages at most and says where to go on.</summary>
    public async Task ListAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "status");
        string? wanted = query.Text("status") switch
        {
            null => null,
            "active" or "complete" or "killed" => query.Text("status"),
            string other => throw new BadRequestException("status", $"status '{Names.Shorten(other)}' is unknown. Valid: active, complete, killed."),
        };
        CancellationToken left = context.RequestAborted;
        List<ConversationView> found = [];
        long? place = query.Cursor;
        int looked = 0;
        bool ended = true;
        await foreach (JournalEntry entry in journal.EachAsync(new JournalQuery { Cursor = place, Limit = 100 }, left))
        {
            if (found.Count == query.Limit || ++looked > MostLooked)
            {
                ended = false;
                break;
            }

            place = entry.Envelope.Seq;

            // Counted with its latest message, so that no page shows one that an earlier page has shown.
            if (entry.Envelope.Conversation is { } id && (await journal.FirstAsync(new JournalQuery { Conversation = id }, left))?.Envelope.Seq == place
                && await ReadAsync(id, left) is { } view && (wanted is null || view.Status == wanted))
            {
                found.Add(view);
            }
        }

        Total total = ended && query.Cursor is null ? new Total(found.Count, AtLeast: false) : await CountAllAsync(wanted, left);
        ListView<ConversationView> page = new(found, found.Count, total.Number, query.Limit, 0, ended ? null : place, total.Mark);
        await ApiAnswer.WriteAsync(context, page, JournalJson.Default.ListViewConversationView);
    }

    /// <summary>How many conversations there are of a status: in one pass over the messages, since reading each would cost four queries.</summary>
    private async ValueTask<Total> CountAllAsync(string? wanted, CancellationToken cancellationToken)
    {
        HashSet<string> all = new(StringComparer.Ordinal);
        HashSet<string> open = new(StringComparer.Ordinal);
        Total looked = await Total.CountAsync(journal.EachAsync(new JournalQuery { Limit = 100 }, cancellationToken), entry =>
        {
            if (entry.Envelope.Conversation is { } id)
            {
                all.Add(id);
                _ = entry.State is MessageState.Pending or MessageState.Dispatched && open.Add(id);
            }

            return true;
        });
        if (wanted is null)
        {
            return looked with { Number = all.Count };
        }

        HashSet<string> killed = [.. (await runtime.Facts.ListAsync(FactScopes.Conversation, cancellationToken)).Select(static fact => fact.Key)];
        return looked with
        {
            Number = wanted switch
            {
                "killed" => all.Count(killed.Contains),
                "active" => open.Count(id => !killed.Contains(id)),
                _ => all.Count(id => !killed.Contains(id) && !open.Contains(id)),
            },
        };
    }

    /// <summary>The conversation as a file that the test kit replays (EU-9): it holds bodies.</summary>
    private async Task ScriptAsync(HttpContext context, string id)
    {
        if (await gate.AdmitAsync(context, ApiRole.Operator))
        {
            await ChatToolEndpoints.WriteScriptAsync(context, journal, id);
        }
    }

    private async Task MessagesAsync(HttpContext context, string id)
    {
        ApiQuery query = ApiQuery.Of(context);
        await JournalEndpoints.WritePageAsync(context, journal, new JournalQuery { Conversation = id, Ascending = true }, query);
    }

    private async Task ViewAsync(HttpContext context, string id) =>
        await ApiAnswer.WriteOrNotFoundAsync(context, await ReadAsync(id, context.RequestAborted), JournalJson.Default.ConversationView, "such conversation");

    private async ValueTask<ConversationView?> ReadAsync(string id, CancellationToken left)
    {
        JournalPage newest = await journal.QueryAsync(new JournalQuery { Conversation = id, Limit = 100 }, left);
        JournalEntry? oldest = await journal.FirstAsync(new JournalQuery { Conversation = id, Ascending = true }, left);
        if (newest.Items.Count == 0 || oldest is null)
        {
            return null;
        }

        long open = await CountAsync(new JournalQuery { Conversation = id, States = [MessageState.Pending, MessageState.Dispatched] }, left);
        long failed = await CountAsync(new JournalQuery { Conversation = id, States = [MessageState.Failed] }, left);
        bool killed = await runtime.Facts.GetAsync(FactScopes.Conversation, id, left) is not null;
        return new ConversationView
        {
            Id = id,
            Status = killed ? "killed" : open > 0 ? "active" : "complete",
            Open = open,
            Failed = failed,
            Total = newest.Total,
            FirstAt = oldest.Envelope.CreatedAt,
            LastAt = newest.Items[0].Envelope.CreatedAt,
            CompletedAt = open > 0 ? null : newest.Items.Max(entry => entry.FinishedAt),
        };
    }

    /// <summary>How many match, as far as one page counts them; never none while there is one.</summary>
    private async ValueTask<long> CountAsync(JournalQuery query, CancellationToken cancellationToken)
    {
        JournalPage page = await journal.QueryAsync(query with { Limit = 1 }, cancellationToken);
        return page is { Total: 0, Next: not null } && await journal.FirstAsync(query with { Cursor = page.Next }, cancellationToken) is not null ? 1 : page.Total;
    }
}
