using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Removes body, files and personal headers of a finished message (JN-12).</summary>
internal sealed class EraseOperation(LaneSet lanes, MessageId id) : StoreOperation<bool>
{
    private bool _erased;

    public override void Run(WriteSession session)
    {
        OpenMessage message = lanes.Open.GetValueOrDefault(id) ?? session.Find(id, withBody: true) ?? throw JournalMoves.NotKept(id);
        JournalMoves.CheckErase(id, message.State);
        if (message.Envelope.Header(HeaderNames.Erased) is not null && message.Envelope.Attachments.Count == 0 && message.Envelope.Headers.Keys.All(HeaderNames.IsTechnical))
        {
            return;
        }

        // What is let go of is written over, and does not wait in a free page for the next row that comes there.
        session.Connection.Execute("erase", "pragma secure_delete=on");
        try
        {
            session.Erase(message, personal: true);
        }
        finally
        {
            session.Connection.Execute("erase", "pragma secure_delete=off");
        }

        _erased = true;
    }

    public override void Complete() => SetAnswer(_erased);
}
