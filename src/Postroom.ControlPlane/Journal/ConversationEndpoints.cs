using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Conversations, derived from the messages still kept (JN-13, CP-10).</summary>
internal sealed class ConversationEndpoints(IRuntimeView runtime, IJournal journal, KeyGate gate)
{
    private const string Messages = "/messages";
    private const string Script = "/script";

    /// <summary><c>conversations/{id}</c>, <c>conversations/{id}/messages</c> and, for operators, <c>conversations/{id}/script</c>: an id holds slashes, written as they are or as <c>%2F</c>.</summary>
    public Task OneAsync(HttpContext context)
    {
        string path = (context.Request.RouteValues["path"] as string ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        return path.EndsWith(Messages, StringComparison.Ordinal) && path.Length > Messages.Length
            ? MessagesAsync(context, path[..^Messages.Length])
            : path.EndsWith(Script, StringComparison.Ordinal) && path.Length > Script.Length ? ScriptAsync(context, path[..^Script.Length])
            : ViewAsync(context, path);
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

    private async Task ViewAsync(HttpContext context, string id)
    {
        CancellationToken left = context.RequestAborted;
        JournalPage newest = await journal.QueryAsync(new JournalQuery { Conversation = id, Limit = 100 }, left);
        JournalEntry? oldest = await journal.FirstAsync(new JournalQuery { Conversation = id, Ascending = true }, left);
        if (newest.Items.Count == 0 || oldest is null)
        {
            await ApiAnswer.NotFoundAsync(context, "such conversation");
            return;
        }

        long open = await CountAsync(new JournalQuery { Conversation = id, States = [MessageState.Pending, MessageState.Dispatched] }, left);
        long failed = await CountAsync(new JournalQuery { Conversation = id, States = [MessageState.Failed] }, left);
        bool killed = await runtime.Facts.GetAsync(FactScopes.Conversation, id, left) is not null;
        ConversationView view = new()
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
        await ApiAnswer.WriteAsync(context, view, JournalJson.Default.ConversationView);
    }

    /// <summary>How many match, as far as one page counts them; never none while there is one.</summary>
    private async ValueTask<long> CountAsync(JournalQuery query, CancellationToken cancellationToken)
    {
        JournalPage page = await journal.QueryAsync(query with { Limit = 1 }, cancellationToken);
        return page is { Total: 0, Next: not null } && await journal.FirstAsync(query with { Cursor = page.Next }, cancellationToken) is not null ? 1 : page.Total;
    }
}
