using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Who did what (CP-9, CP-10).</summary>
internal sealed class AuditEndpoints(IJournal journal)
{
    public async Task ListAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "user", "action", "since");
        AuditPage page = await journal.QueryAuditAsync(
            new AuditQuery { User = query.Text("user"), Action = query.Text("action"), Since = query.Instant("since"), Limit = query.Limit, Cursor = query.Cursor }, context.RequestAborted);
        ListView<AuditRowView> view = new(
            [.. page.Items.Select(static row => new AuditRowView(
                row.Record.At, row.Record.User, row.Record.Role, row.Record.Remote, row.Record.Action, row.Record.Target, row.Record.Result, row.MessageId?.ToString()))],
            page.Items.Count,
            page.Items.Count,
            query.Limit,
            0,
            page.Next,
            page.Next is null ? null : true);
        await ApiAnswer.WriteAsync(context, view, OperationJson.Default.ListViewAuditRowView);
    }
}
