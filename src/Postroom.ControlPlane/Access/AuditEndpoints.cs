using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Who did what (CP-9, CP-10).</summary>
internal sealed class AuditEndpoints(IJournal journal)
{
    public async Task ListAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "user", "action", "since");
        AuditQuery asked = new() { User = query.Text("user"), Action = query.Text("action"), Since = query.Instant("since"), Limit = query.Limit, Cursor = query.Cursor };
        AuditPage page = await journal.QueryAuditAsync(asked, context.RequestAborted);
        Total total = page.Next is null && asked.Cursor is null
            ? new Total(page.Items.Count, AtLeast: false)
            : await Total.CountAsync(EachAsync(asked with { Limit = 100, Cursor = null }, context.RequestAborted), static _ => true);
        ListView<AuditRowView> view = new(
            [.. page.Items.Select(static row => new AuditRowView(
                row.Record.At, row.Record.User, row.Record.Role, row.Record.Remote, row.Record.Action, row.Record.Target, row.Record.Result, row.MessageId?.ToString(), row.Record.Detail))],
            page.Items.Count,
            total.Number,
            query.Limit,
            0,
            page.Next,
            total.Mark);
        await ApiAnswer.WriteAsync(context, view, OperationJson.Default.ListViewAuditRowView);
    }

    private async IAsyncEnumerable<AuditEntry> EachAsync(AuditQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (long? cursor = null; ;)
        {
            AuditPage page = await journal.QueryAuditAsync(query with { Cursor = cursor }, cancellationToken);
            foreach (AuditEntry entry in page.Items)
            {
                yield return entry;
            }

            if ((cursor = page.Next) is null)
            {
                yield break;
            }
        }
    }
}
