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

    /// <summary>Sets the flags.</summary>
    /// <exception cref="ImapCommandException">The server refuses.</exception>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        bool keeps = connection.Selected?.KeepsKeyword(config.FailedKeyword) == true;
        foreach ((string outcome, SortedSet<uint> all) in _byOutcome)
        {
            foreach (uint[] uids in all.Chunk(MaxPerCommand))
            {
                switch (outcome)
                {
                    case MarkRequest.Seen:
                        await connection.StoreAsync(uids, set: true, Read, cancellationToken);
                        if (keeps)
                        {
                            await connection.StoreAsync(uids, set: false, config.FailedKeyword, cancellationToken); // It may have failed before and been replayed.
                        }

                        Forget(uids);
                        break;
                    case MarkRequest.Failed when keeps:
                        await connection.StoreAsync(uids, set: true, config.FailedKeyword, cancellationToken);
                        Forget(uids);
                        break;
                    case MarkRequest.Failed:
                        Array.ForEach(uids, ledger.Keep);
                        break;
                    default:
                        await connection.StoreAsync(uids, set: true, outcome, cancellationToken);
                        break;
                }
            }
        }
    }

    private void Forget(uint[] uids) => Array.ForEach(uids, ledger.Remove);
}
