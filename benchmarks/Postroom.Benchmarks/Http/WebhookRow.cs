using System.Text.Json;
using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Raw;
using Postroom.Benchmarks.Runtime;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Http;

/// <summary>What the store keeps of a posted message, as the store itself wrote it: the row that a bare endpoint has to commit.</summary>
internal sealed class WebhookRow
{
    private readonly byte[] _body;
    private readonly byte[] _extra;

    private WebhookRow(byte[] body, byte[] extra)
    {
        _body = body;
        _extra = extra;
    }

    /// <summary>Stores one message in a store of its own and reads its row.</summary>
    public static async Task<WebhookRow> ReadAsync(Folder folder)
    {
        await StoreFiller.FillAsync(folder, messages: 1, static _ =>
        {
            using JsonDocument posted = JsonDocument.Parse(WebhookRequest.Body(0, LoadClient.NoChannel));
            return Message.FromPayload(posted.RootElement).ToEnvelope("in", LoadClient.NoChannel);
        });
        using SqliteConnection connection = SqliteConnection.Open(folder.File(StoreFiller.FileName), SqliteAccess.ReadWrite);
        using SqliteStatement row = connection.Prepare("row", "select body, extra from messages");
        _ = row.Step();
        WebhookRow read = new(row.GetBlob(0).ToArray(), row.GetBlob(1).ToArray());
        row.Reset();
        return read;
    }

    public RawMessage Make() => new(_body) { Extra = _extra };
}
