using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Conversations, derived from the messages still kept (JN-13, CP-10).</summary>
internal sealed class ConversationEndpoints(IRuntimeView runtime, IJournal journal)
{
    private const string Messages = "/messages";

    /// <summary><c>conversations/{id}</c> and <c>conversations/{id}/messages</c>: an id holds slashes, written as they are or as <c>%2F</c>.</summary>
    public Task OneAsync(HttpContext context)
    {
        string path = (context.Request.RouteValues["path"] as string ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        return path.EndsWith(Messages, StringComparison.Ordinal) && path.Length > Messages.Length
            ? MessagesAsync(context, path[..^Messages.Length])
            : ViewAsync(context, path);
    }

    private async Task MessagesAsync(HttpContext context, string id)
    {
        ApiQuery query = ApiQuery.Of(context);
        await JournalEndpoints.WritePageAsync(context, journal, new JournalQuery { Conversation = id, Ascending = true }, query);
    }

    private async Task ViewAsync(HttpContext context, string id)
    {
        CancellationToken left = context.RequestAborted;
        JournalPage newest = await QueryAsync(new JournalQuery { Conversation = id, Limit = 100 }, left);
        if (newest.Items.Count == 0)
        {
            await ApiAnswer.NotFoundAsync(context, "such conversation");
            return;
        }

        JournalPage oldest = await QueryAsync(new JournalQuery { Conversation = id, Limit = 1, Ascending = true }, left);
        JournalPage open = await QueryAsync(new JournalQuery { Conversation = id, Limit = 1, States = [MessageState.Pending, MessageState.Dispatched] }, left);
        JournalPage failed = await QueryAsync(new JournalQuery { Conversation = id, Limit = 1, States = [MessageState.Failed] }, left);
        bool killed = await runtime.Facts.GetAsync(FactScopes.Conversation, id, left) is not null;
        ConversationView view = new()
        {
            Id = id,
            Status = killed ? "killed" : open.Total > 0 ? "active" : "complete",
            Open = open.Total,
            Failed = failed.Total,
            Total = newest.Total,
            FirstAt = oldest.Items[0].Envelope.CreatedAt,
            LastAt = newest.Items[0].Envelope.CreatedAt,
            CompletedAt = open.Total > 0 ? null : newest.Items.Max(entry => entry.FinishedAt),
        };
        await ApiAnswer.WriteAsync(context, view, JournalJson.Default.ConversationView);
    }

    private ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken) => journal.QueryAsync(query, cancellationToken);
}
