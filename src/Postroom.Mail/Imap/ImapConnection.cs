using System.Globalization;
using System.Text;

namespace Postroom.Mail;

/// <summary>A connection to an IMAP server (RFC 3501), logged in. One command at a time; not safe for concurrent use.</summary>
internal sealed class ImapConnection : IAsyncDisposable
{
    private static readonly TimeSpan LogoutTimeout = TimeSpan.FromSeconds(2);

    private readonly ImapWire _wire;
    private readonly HashSet<string> _capabilities;
    private uint _exists;
    private uint _recent;
    private bool _refusesIdle;
    private bool _refusesKeywords;

    /// <summary>Takes over what <see cref="ImapOpening"/> opened.</summary>
    /// <param name="wire">The connection; owned.</param>
    /// <param name="capabilities">What the server can, upper case.</param>
    public ImapConnection(ImapWire wire, HashSet<string> capabilities)
    {
        _wire = wire;
        _capabilities = capabilities;
        wire.FreeLiterals = Can("LITERAL+");
    }

    /// <summary>Host and port.</summary>
    public string Server => _wire.Server;

    /// <summary>How it is encrypted, in words.</summary>
    public string Encryption => _wire.Encryption;

    /// <summary>The mailbox that is open; null for none.</summary>
    public ImapMailbox? Selected { get; private set; }

    /// <summary>Whether news came that nobody looked at: mails arrived.</summary>
    public bool HasNews { get; private set; }

    /// <summary>Whether the server has a capability.</summary>
    public bool Can(string capability) => _capabilities.Contains(capability);

    /// <summary>Opens a mailbox (<c>SELECT</c>, or <c>EXAMINE</c> when nothing shall be changed).</summary>
    /// <param name="mailbox">Its name in Unicode.</param>
    /// <param name="readOnly">Whether nothing shall be changed.</param>
    /// <param name="cancellationToken">Ends the command.</param>
    /// <exception cref="ImapCommandException">There is none of this name, or it cannot be opened.</exception>
    public async ValueTask<ImapMailbox> SelectAsync(string mailbox, bool readOnly, CancellationToken cancellationToken)
    {
        Selected = null;
        ImapMailbox state = new(mailbox);
        ImapResponse end = await RunAsync(readOnly ? "EXAMINE" : "SELECT", [Mailbox(mailbox)], data => state = state.With(data), cancellationToken);
        HasNews = false;
        (_exists, _recent) = (state.Exists, 0);
        Selected = state with { IsReadOnly = readOnly || end.Code == "READ-ONLY" };
        return Selected;
    }

    /// <summary>The mailboxes that fit a pattern.</summary>
    public async ValueTask<IReadOnlyList<string>> ListAsync(string pattern, CancellationToken cancellationToken)
    {
        List<string> names = [];
        await RunAsync("LIST", ["\"\"", Mailbox(pattern)], data =>
        {
            if (data is { Name: "LIST", Values: [_, _, var name] })
            {
                names.Add(Can("UTF8=ACCEPT") ? name.Text : ModifiedUtf7.Decode(name.Text));
            }
        }, cancellationToken);
        return names;
    }

    /// <summary>Finds mails in the open mailbox.</summary>
    /// <param name="criteria">The criteria, as syntax.</param>
    /// <param name="cancellationToken">Ends the command.</param>
    /// <returns>Their UIDs, ascending.</returns>
    public async ValueTask<IReadOnlyList<uint>> SearchAsync(string criteria, CancellationToken cancellationToken)
    {
        HasNews = false;
        List<uint> uids = [];
        await RunAsync("UID SEARCH", [criteria], data =>
        {
            uids.AddRange(data.Numbers);
            if (uids.Count > ImapParser.MaxResults)
            {
                throw new ImapConnectionException($"{Server} finds more than {ImapParser.MaxResults} mails, which is the limit. Move old mails out of the mailbox, or mark them read.");
            }
        }, cancellationToken);
        uids.Sort();
        return [.. uids.Where((uid, i) => uid > 0 && (i == 0 || uid != uids[i - 1]))];
    }

    /// <summary>
    /// Whether a search can leave out the mails with a keyword. Where keywords do not last no mail has one, and the server may refuse to look for it. A mailbox that is open
    /// for reading only keeps nothing and says so, but its mails may have one.
    /// </summary>
    public bool FindsKeyword(string keyword) => !_refusesKeywords && Selected is { } open && (open.IsReadOnly || open.KeepsKeyword(keyword));

    /// <summary>Finds unread mails without a keyword, or all unread ones where the server cannot tell them apart (<see cref="FindsKeyword"/>).</summary>
    /// <param name="keyword">The keyword.</param>
    /// <param name="further">What else they fit, as syntax; empty for nothing.</param>
    /// <param name="cancellationToken">Ends the commands.</param>
    /// <returns>Their UIDs, ascending.</returns>
    public async ValueTask<IReadOnlyList<uint>> SearchUnreadAsync(string keyword, string further, CancellationToken cancellationToken)
    {
        bool asks = FindsKeyword(keyword);
        if (asks)
        {
            try
            {
                return await SearchAsync($"UNSEEN UNKEYWORD {keyword}{further}", cancellationToken);
            }
            catch (ImapCommandException e) when (!e.IsTemporary)
            {
                // Exchange and Kerio refuse it: "BAD Command Argument Error. 11".
            }
        }

        IReadOnlyList<uint> found = await SearchAsync($"UNSEEN{further}", cancellationToken);
        _refusesKeywords |= asks; // Only now is it the keyword that was refused.
        return found;
    }

    /// <summary>Reads mails of the open mailbox.</summary>
    /// <param name="uids">Which.</param>
    /// <param name="items">What of them, as syntax, for example <c>(UID FLAGS)</c>.</param>
    /// <param name="cancellationToken">Ends the command.</param>
    /// <returns>What came of mails that are still there, by UID.</returns>
    public async ValueTask<IReadOnlyDictionary<uint, ImapMail>> FetchAsync(IReadOnlyCollection<uint> uids, string items, CancellationToken cancellationToken)
    {
        Dictionary<uint, ImapMail> mails = [];
        HashSet<uint> wanted = [.. uids];
        await RunAsync("UID FETCH", [ImapSet.Of(uids), items], data =>
        {
            // A server may tell of other mails' flags in between, and of one mail in several answers.
            if (data is { Name: "FETCH", Values: [{ Kind: ImapKind.List } list, ..] } && ImapMail.Read(list) is { } mail && wanted.Contains(mail.Uid))
            {
                mails[mail.Uid] = mails.TryGetValue(mail.Uid, out ImapMail? known) ? known.And(mail) : mail;
            }
        }, cancellationToken);
        return mails;
    }

    /// <summary>Sets or takes away flags of mails of the open mailbox; mails that are gone are passed over by the server.</summary>
    public async ValueTask StoreAsync(IReadOnlyCollection<uint> uids, bool set, string flags, CancellationToken cancellationToken) =>
        await RunAsync("UID STORE", [ImapSet.Of(uids), set ? "+FLAGS.SILENT" : "-FLAGS.SILENT", $"({flags})"], null, cancellationToken);

    /// <summary>Copies mails to another mailbox.</summary>
    public async ValueTask CopyAsync(IReadOnlyCollection<uint> uids, string mailbox, CancellationToken cancellationToken) =>
        await RunAsync("UID COPY", [ImapSet.Of(uids), Mailbox(mailbox)], null, cancellationToken);

    /// <summary>Moves mails to another mailbox (RFC 6851).</summary>
    /// <exception cref="NotSupportedException">The server does not offer it.</exception>
    public async ValueTask MoveAsync(IReadOnlyCollection<uint> uids, string mailbox, CancellationToken cancellationToken)
    {
        if (!Can("MOVE"))
        {
            throw new NotSupportedException($"{Server} does not offer MOVE (RFC 6851). Copy the mails and mark the originals instead.");
        }

        await RunAsync("UID MOVE", [ImapSet.Of(uids), Mailbox(mailbox)], null, cancellationToken);
    }

    /// <summary>Asks whether the server is there; news of the mailbox come with the answer.</summary>
    public async ValueTask NoopAsync(CancellationToken cancellationToken) => await RunAsync("NOOP", [], null, cancellationToken);

    /// <summary>Whether the server tells of news by itself. Some say that they do and refuse it.</summary>
    public bool CanIdle => Can("IDLE") && !_refusesIdle;

    /// <summary>Waits until something came to the open mailbox, the time is over or someone has work. Returns at once when the server refuses it.</summary>
    public async ValueTask IdleAsync(TimeSpan renew, Task wake, CancellationToken cancellationToken)
    {
        if (HasNews)
        {
            return;
        }

        try
        {
            await _wire.IdleAsync(renew, wake, Notice, _ => HasNews, cancellationToken);
        }
        catch (ImapCommandException)
        {
            _refusesIdle = true;
        }
        catch (MailConnectionException e)
        {
            throw new ImapConnectionException(e.Message, e);
        }
    }

    /// <summary>Says goodbye, for at most 2 seconds, and closes; whatever goes wrong is of no interest. After a command without an answer nothing can be said any more.</summary>
    public async ValueTask LogoutAsync()
    {
        try
        {
            using CancellationTokenSource limit = new(LogoutTimeout);
            await _wire.EndIdleAsync(limit.Token);
            if (_wire.IsFree)
            {
                await _wire.RunAsync("LOGOUT", [], null, null, limit.Token);
            }
        }
        catch (Exception e) when (e is ImapConnectionException or ImapCommandException or MailConnectionException or OperationCanceledException)
        {
            // BYE comes before the end of the command and counts as the end of the connection.
        }

        await DisposeAsync();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _wire.DisposeAsync();

    private async ValueTask<ImapResponse> RunAsync(string name, IReadOnlyList<ImapArgument> arguments, Action<ImapResponse>? onData, CancellationToken cancellationToken)
    {
        try
        {
            return await _wire.RunAsync(name, arguments, data =>
            {
                Notice(data);
                onData?.Invoke(data);
            }, null, cancellationToken);
        }
        catch (MailConnectionException e)
        {
            throw new ImapConnectionException(e.Message, e);
        }
    }

    /// <summary>Keeps count of the mails, so that only more of them are news: some servers repeat their number to show that they live.</summary>
    private void Notice(ImapResponse data)
    {
        HasNews |= IsNews(data);
        _exists = data.Name switch
        {
            "EXISTS" => data.Number ?? 0,
            "EXPUNGE" when _exists > 0 => _exists - 1,
            _ => _exists,
        };
        _recent = data.Name == "RECENT" ? data.Number ?? 0 : _recent;
        if (data.Code == "UIDVALIDITY" && Selected is { } open && data.CodeArgument != open.UidValidity.ToString(CultureInfo.InvariantCulture))
        {
            throw new ImapConnectionException($"{Server} has renumbered the mails of '{open.Name}' (UIDVALIDITY {Names.Shorten(data.CodeArgument)}); it is opened anew.");
        }
    }

    private bool IsNews(ImapResponse data) => (data.Name == "EXISTS" && data.Number > _exists) || (data.Name == "RECENT" && data.Number > _recent);

    private ImapArgument Mailbox(string name) => ImapArgument.Of(Can("UTF8=ACCEPT") ? name : ModifiedUtf7.Encode(name));
}

/// <summary>What a server says of a mailbox when it is opened.</summary>
/// <param name="Name">Its name.</param>
internal sealed record ImapMailbox(string Name)
{
    /// <summary>Changes when the UIDs mean other mails than before.</summary>
    public uint UidValidity { get; init; }

    /// <summary>What the next mail's UID will be at least; null when the server does not say.</summary>
    public uint? UidNext { get; init; }

    /// <summary>How many mails it holds.</summary>
    public uint Exists { get; init; }

    /// <summary>Whether nothing can be changed.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>The flags that last, as the server writes them; null when it does not say, which means all.</summary>
    public string? PermanentFlags { get; init; }

    /// <summary>Whether keywords of one's own last: all do where nothing is said (RFC 3501 §7.1).</summary>
    public bool KeepsKeyword(string keyword) =>
        PermanentFlags is not { } flags || flags.Contains("\\*", StringComparison.Ordinal) || flags.Trim('(', ')').Split(' ').Contains(keyword, StringComparer.OrdinalIgnoreCase);

    /// <summary>The same after one more answer.</summary>
    public ImapMailbox With(ImapResponse data)
    {
        uint? number = uint.TryParse(data.CodeArgument, NumberStyles.None, CultureInfo.InvariantCulture, out uint parsed) ? parsed : null;
        return (data.Name, data.Code) switch
        {
            ("EXISTS", _) => this with { Exists = data.Number ?? 0 },
            (_, "UIDVALIDITY") => this with { UidValidity = number ?? 0 },
            (_, "UIDNEXT") => this with { UidNext = number },
            (_, "PERMANENTFLAGS") => this with { PermanentFlags = data.CodeArgument },
            _ => this,
        };
    }
}

/// <summary>Writes UIDs as a set (RFC 3501 §9 <c>sequence-set</c>).</summary>
internal static class ImapSet
{
    /// <summary>The UIDs, neighbours joined.</summary>
    /// <exception cref="ArgumentException">There are none: a set cannot be empty.</exception>
    public static string Of(IReadOnlyCollection<uint> uids)
    {
        if (uids.Count == 0)
        {
            throw new ArgumentException("A set of UIDs needs at least one.", nameof(uids));
        }

        StringBuilder set = new();
        uint first = 0;
        uint last = 0;
        foreach (uint uid in uids.Order())
        {
            if (set.Length > 0 || first > 0)
            {
                if (uid <= last + 1)
                {
                    last = uid;
                    continue;
                }

                Append(set, first, last);
            }

            (first, last) = (uid, uid);
        }

        Append(set, first, last);
        return set.ToString();
    }

    private static void Append(StringBuilder set, uint first, uint last)
    {
        set.Append(set.Length > 0 ? "," : "").Append(CultureInfo.InvariantCulture, $"{first}");
        if (last > first)
        {
            set.Append(CultureInfo.InvariantCulture, $":{last}");
        }
    }
}
