namespace Postroom.Mail;

/// <summary>Marks mails of the open mailbox, all of one outcome in one command, and takes them off the ledger.</summary>
internal sealed class ImapMarker(ImapSourceConfig config, ImapConnection connection, ImapLedger ledger)
{
    private const int MaxPerCommand = 500;
    private const string Read = "\\Seen";

    private readonly Dictionary<string, SortedSet<uint>> _byOutcome = new(StringComparer.Ordinal);

    /// <summary>Whether a word can be set as a keyword.</summary>
    public static bool IsKeyword(string word) => word.Length is > 0 and <= 64 && word.All(c => HeaderText.IsAtom(c) && c is not ('{' or '%' or '*'));

    /// <summary>Notes what some mails get.</summary>
    public void Add(string outcome, IReadOnlyList<uint> uids)
    {
        if (!_byOutcome.TryGetValue(outcome, out SortedSet<uint>? set))
        {
            set = _byOutcome[outcome] = [];
        }

        set.UnionWith(uids);
    }

    /// <summary>Sets the flags. One outcome that the server refuses keeps no other from being told.</summary>
    /// <returns>Why outcomes were refused; empty when none was.</returns>
    /// <exception cref="ImapConnectionException">The connection broke; what was told by then is off the ledger.</exception>
    public async ValueTask<IReadOnlyDictionary<string, ImapCommandException>> RunAsync(CancellationToken cancellationToken)
    {
        Dictionary<string, ImapCommandException> refused = [];
        foreach ((string outcome, SortedSet<uint> all) in _byOutcome)
        {
            try
            {
                foreach (uint[] uids in all.Chunk(MaxPerCommand))
                {
                    await MarkAsync(outcome, uids, cancellationToken);
                }
            }
            catch (ImapCommandException e)
            {
                refused[outcome] = e;
            }
        }

        return refused;
    }

    private async ValueTask MarkAsync(string outcome, uint[] uids, CancellationToken cancellationToken)
    {
        bool keeps = connection.Selected?.KeepsKeyword(config.FailedKeyword) == true;
        switch (outcome)
        {
            case MarkRequest.Seen:
                await connection.StoreAsync(uids, set: true, Read, cancellationToken);
                if (keeps)
                {
                    await TryAsync(connection.StoreAsync(uids, set: false, config.FailedKeyword, cancellationToken)); // It may have failed before and been replayed.
                }

                Array.ForEach(uids, ledger.Remove);
                break;
            case MarkRequest.Failed when keeps && await TryAsync(connection.StoreAsync(uids, set: true, config.FailedKeyword, cancellationToken)) && connection.FindsKeyword(config.FailedKeyword):
                Array.ForEach(uids, uid => ledger.Fail(uid));
                break;
            case MarkRequest.Failed:
                Array.ForEach(uids, ledger.Keep);
                break;
            default:
                await connection.StoreAsync(uids, set: true, outcome, cancellationToken);
                break;
        }
    }

    /// <summary>Whether the server did it; some say that they keep keywords, and refuse them.</summary>
    private static async ValueTask<bool> TryAsync(ValueTask store)
    {
        try
        {
            await store;
            return true;
        }
        catch (ImapCommandException)
        {
            return false;
        }
    }
}
