using System.Globalization;
using System.Text;

namespace Postroom.Testing;

/// <content>What a client does with mailboxes.</content>
internal sealed partial class FakeImapSession
{
    private static readonly string[] SystemFlags = [@"\Seen", @"\Answered", @"\Flagged", @"\Deleted", @"\Draft"];

    private FakeImapMailbox? _mailbox;
    private bool _examined;
    private List<uint> _view = []; // UIDs by sequence number, as the client was told

    private ValueTask<bool> AnswerMailboxAsync(FakeImapCommand command, CancellationToken cancellationToken) => command.Name switch
    {
        "LIST" => ListAsync(cancellationToken),
        "SELECT" or "EXAMINE" when command.Arguments.Count == 1 => SelectAsync(command, cancellationToken),
        _ when _mailbox is null => ViolateAsync($"{command.Name} came without an open mailbox, or nobody knows it.", cancellationToken),
        "UID SEARCH" => SearchAsync(_mailbox, command, cancellationToken),
        "UID FETCH" when command.Arguments.Count == 2 => FetchAsync(_mailbox, command, cancellationToken),
        "UID STORE" when command.Arguments.Count == 3 => StoreAsync(_mailbox, command, cancellationToken),
        "UID COPY" or "UID MOVE" when command.Arguments.Count == 2 => CopyAsync(_mailbox, command, cancellationToken),
        "IDLE" when Offers("IDLE") => IdleAsync(_mailbox, cancellationToken),
        _ => ViolateAsync($"{command.Name} is not known, was not offered or has other arguments.", cancellationToken),
    };

    private ValueTask<bool> ListAsync(CancellationToken cancellationToken) =>
        DoneAsync(FakeImapStep.List, string.Concat(server.Names().Select(name => $"* LIST () \"/\" \"{name}\"\r\n")), cancellationToken);

    private async ValueTask<bool> SelectAsync(FakeImapCommand command, CancellationToken cancellationToken)
    {
        _mailbox = null;
        server.Open(this, isOpen: false);
        if (server.Find(command[0]) is not { } mailbox)
        {
            return await RefuseAsync(FakeImapStep.Select, "NO [NONEXISTENT] no such mailbox", cancellationToken);
        }

        _examined = command.Name == "EXAMINE" || mailbox.IsReadOnly;
        List<uint> view = [.. mailbox.Uids];
        string flags = mailbox.PermanentFlags is { } permanent ? $"* OK [PERMANENTFLAGS ({(_examined ? "" : permanent)})] these last\r\n" : "";
        string data = string.Create(CultureInfo.InvariantCulture, $"* FLAGS ({string.Join(' ', SystemFlags)})\r\n{flags}* {view.Count} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY {mailbox.UidValidity}] valid\r\n* OK [UIDNEXT {mailbox.UidNext}] next\r\n");
        FakeImapFault? fault = server.Take(FakeImapStep.Select);
        return await SayAsync(FakeImapStep.Select, fault, $"{data}{_tag} OK [{(_examined ? "READ-ONLY" : "READ-WRITE")}] open\r\n", cancellationToken, () =>
        {
            (_mailbox, _view) = (mailbox, view);
            server.Open(this, isOpen: true);
        });
    }

    private async ValueTask<bool> SearchAsync(FakeImapMailbox mailbox, FakeImapCommand command, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<uint, FakeImapMailbox.Mail> mails = mailbox.Snapshot();
        IEnumerable<KeyValuePair<uint, FakeImapMailbox.Mail>> found = mails;
        for (int i = 0; i < command.Arguments.Count; i++)
        {
            string key = command[i].ToUpperInvariant();
            switch (key)
            {
                case "ALL":
                    break;
                case "UNSEEN":
                    found = found.Where(mail => !mail.Value.Flags.Contains(@"\Seen"));
                    break;
                case "UNKEYWORD" or "KEYWORD" when !_options.KeywordSearch:
                    return await RefuseAsync(FakeImapStep.Search, "BAD Command Argument Error. 11", cancellationToken);
                case "UNKEYWORD" or "KEYWORD" when i + 1 < command.Arguments.Count:
                    string word = command[++i];
                    found = found.Where(mail => mail.Value.Flags.Contains(word) == (key == "KEYWORD"));
                    break;
                case "UID" when FakeImapCommand.Set(command[i + 1], [.. mails.Keys]) is { } set:
                    i++;
                    found = found.Where(mail => set.Contains(mail.Key));
                    break;
                default:
                    return await ViolateAsync($"SEARCH has no key '{command[i]}'.", cancellationToken);
            }
        }

        string news = News(mailbox, mayExpunge: true);
        return await DoneAsync(FakeImapStep.Search, $"* SEARCH{string.Concat(found.Select(mail => string.Create(CultureInfo.InvariantCulture, $" {mail.Key}")))}\r\n{news}", cancellationToken);
    }

    private async ValueTask<bool> FetchAsync(FakeImapMailbox mailbox, FakeImapCommand command, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<uint, FakeImapMailbox.Mail> mails = mailbox.Snapshot();
        IReadOnlyList<string> items = FakeImapCommand.Items(command[1]);
        if (FakeImapCommand.Set(command[0], [.. mails.Keys]) is not { } uids || items.Count == 0)
        {
            return await ViolateAsync($"'{command.Line}' asks for nothing.", cancellationToken);
        }

        bool bodies = items.Any(item => item.StartsWith("BODY.PEEK[]", StringComparison.OrdinalIgnoreCase) || item.StartsWith("BODY[]", StringComparison.OrdinalIgnoreCase));
        FakeImapStep step = bodies ? FakeImapStep.Body : FakeImapStep.Fetch;
        FakeImapFault? fault = server.BadMail(uids, bodies) ?? server.Take(step);
        if (fault is FakeImapFault.Meanwhile(var action))
        {
            action();
            mails = mailbox.Snapshot();
        }

        using MemoryStream answer = new();
        foreach (uint uid in uids.Where(mails.ContainsKey))
        {
            Write(answer, string.Create(CultureInfo.InvariantCulture, $"* {_view.IndexOf(uid) + 1} FETCH (UID {uid}"));
            foreach (string item in items)
            {
                if (!WriteItem(answer, mailbox, uid, mails[uid], item))
                {
                    return await ViolateAsync($"FETCH has no item '{item}'.", cancellationToken);
                }
            }

            Write(answer, ")\r\n");
        }

        Write(answer, $"{News(mailbox, mayExpunge: false)}{_tag} OK done\r\n");
        return await SayAsync(step, fault, answer.ToArray(), cancellationToken);
    }

    private static bool WriteItem(MemoryStream answer, FakeImapMailbox mailbox, uint uid, FakeImapMailbox.Mail mail, string item)
    {
        string name = item.ToUpperInvariant();
        switch (name)
        {
            case "UID":
                return true;
            case "FLAGS":
                Write(answer, $" FLAGS ({string.Join(' ', mail.Flags)})");
                return true;
            case "RFC822.SIZE":
                Write(answer, string.Create(CultureInfo.InvariantCulture, $" RFC822.SIZE {mail.Bytes.Length}"));
                return true;
            case "INTERNALDATE":
                Write(answer, string.Create(CultureInfo.InvariantCulture, $" INTERNALDATE \"{mail.ArrivedAt:dd-MMM-yyyy HH:mm:ss} +0000\""));
                return true;
        }

        bool peeks = name.StartsWith("BODY.PEEK[", StringComparison.Ordinal);
        int close = name.LastIndexOf(']');
        if ((!peeks && !name.StartsWith("BODY[", StringComparison.Ordinal)) || close < 0)
        {
            return false;
        }

        if (!peeks)
        {
            mailbox.Flag(uid, @"\Seen"); // RFC 3501 §6.4.5
        }

        string section = name[(name.IndexOf('[', StringComparison.Ordinal) + 1)..close];
        ReadOnlyMemory<byte> bytes = mail.Bytes;
        if (section.StartsWith("HEADER", StringComparison.Ordinal))
        {
            bytes = Header(bytes, section.IndexOf('(', StringComparison.Ordinal) is > 0 and var open ? section[(open + 1)..^1].Split(' ') : null);
        }

        string origin = "";
        if (name[(close + 1)..] is ['<', .. var part, '>'])
        {
            int[] numbers = [.. part.Split('.').Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
            int begin = Math.Min(numbers[0], bytes.Length);
            bytes = bytes.Slice(begin, Math.Min(numbers[1], bytes.Length - begin));
            origin = string.Create(CultureInfo.InvariantCulture, $"<{numbers[0]}>");
        }

        Write(answer, string.Create(CultureInfo.InvariantCulture, $" BODY[{section}]{origin} {{{bytes.Length}}}\r\n"));
        answer.Write(bytes.Span);
        return true;
    }

    /// <summary>The headers of a mail with the empty line behind them; with names, those of them.</summary>
    private static byte[] Header(ReadOnlyMemory<byte> mail, string[]? names)
    {
        int end = mail.Span.IndexOf("\r\n\r\n"u8);
        string all = Encoding.Latin1.GetString(mail.Span[..(end < 0 ? mail.Length : end)]);
        StringBuilder kept = new();
        bool keeps = false;
        foreach (string line in all.Split("\r\n"))
        {
            keeps = line.StartsWith(' ') || line.StartsWith('\t') ? keeps : names is null || names.Contains(line.Split(':')[0], StringComparer.OrdinalIgnoreCase);
            kept.Append(keeps ? $"{line}\r\n" : "");
        }

        return Encoding.Latin1.GetBytes(kept.Append("\r\n").ToString());
    }

    private async ValueTask<bool> StoreAsync(FakeImapMailbox mailbox, FakeImapCommand command, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> flags = FakeImapCommand.Items(command[2]);
        string verb = command[1].ToUpperInvariant();
        if (FakeImapCommand.Set(command[0], mailbox.Uids) is not { } uids || flags.Count == 0 || verb is not ("+FLAGS" or "-FLAGS" or "+FLAGS.SILENT" or "-FLAGS.SILENT"))
        {
            return await ViolateAsync($"'{command.Line}' stores nothing.", cancellationToken);
        }

        if (_examined)
        {
            return await ViolateAsync("STORE came although the mailbox is open for reading only.", cancellationToken);
        }

        string[] permanent = mailbox.PermanentFlags?.Split(' ') ?? [];
        if (mailbox.PermanentFlags is not null && !permanent.Contains(@"\*") && flags.FirstOrDefault(flag => !permanent.Contains(flag, StringComparer.OrdinalIgnoreCase)) is { } other)
        {
            return await ViolateAsync($"{other} is not among the flags that last.", cancellationToken);
        }

        string told = verb.EndsWith("SILENT", StringComparison.Ordinal) ? "" : string.Concat(uids.Select(uid => string.Create(CultureInfo.InvariantCulture, $"* {_view.IndexOf(uid) + 1} FETCH (FLAGS ({mailbox.FlagsOf(uid)}))\r\n")));
        return await DoneAsync(FakeImapStep.Store, told, cancellationToken, () =>
        {
            foreach (uint uid in uids)
            {
                foreach (string flag in flags)
                {
                    mailbox.Flag(uid, flag, verb[0] == '+');
                }
            }
        });
    }

    private async ValueTask<bool> CopyAsync(FakeImapMailbox mailbox, FakeImapCommand command, CancellationToken cancellationToken)
    {
        if (server.Find(command[1]) is not { } to)
        {
            return await RefuseAsync(FakeImapStep.Copy, "NO [TRYCREATE] no such mailbox", cancellationToken);
        }

        bool moves = command.Name == "UID MOVE";
        Check(!moves || Offers("MOVE"), "MOVE was not offered.");
        IReadOnlyDictionary<uint, FakeImapMailbox.Mail> mails = mailbox.Snapshot();
        foreach (uint uid in FakeImapCommand.Set(command[0], [.. mails.Keys]) ?? [])
        {
            to.Deliver(mails[uid].Bytes, mails[uid].Flags);
            if (moves)
            {
                mailbox.Expunge(uid);
            }
        }

        return await DoneAsync(FakeImapStep.Copy, News(mailbox, mayExpunge: moves), cancellationToken);
    }

    private ValueTask<bool> NoopAsync(CancellationToken cancellationToken) => DoneAsync(FakeImapStep.Noop, _mailbox is null ? "" : News(_mailbox, mayExpunge: true), cancellationToken);

    private async ValueTask<bool> IdleAsync(FakeImapMailbox mailbox, CancellationToken cancellationToken)
    {
        FakeImapFault? fault = server.Take(FakeImapStep.Idle);
        if (fault is FakeImapFault.Refuse or FakeImapFault.Say)
        {
            return await SayAsync(FakeImapStep.Idle, fault, "", cancellationToken);
        }

        if (!await SayAsync(FakeImapStep.Idle, fault, "+ idling\r\n", cancellationToken))
        {
            return false;
        }

        FakeImapFault? within = server.Take(FakeImapStep.Idling);
        bool isOver = within is FakeImapFault.Refuse || (within is FakeImapFault.Say(var text) && text.Contains("{tag}", StringComparison.Ordinal));
        if (within is not null && (!await SayAsync(FakeImapStep.Idling, within, "", cancellationToken) || isOver))
        {
            return isOver;
        }

        Task<string?> line = _input.ReadLineAsync(cancellationToken).AsTask();
        while (true)
        {
            Task changed = mailbox.Changed;
            await SayUnaskedAsync(News(mailbox, mayExpunge: true), cancellationToken);
            await Task.WhenAny(line, changed);
            if (!line.IsCompleted)
            {
                continue;
            }

            if (await line is not { } said)
            {
                return false;
            }

            server.Note(new FakeImapLine(number, said, IsSecure));
            if (said != "DONE")
            {
                server.Violated($"'{said}' came within IDLE.");
                return false;
            }

            return await DoneAsync(FakeImapStep.Done, "", cancellationToken);
        }
    }

    /// <summary>What has come and gone since the client was told last; empty where the server tells of nothing.</summary>
    private string News(FakeImapMailbox mailbox, bool mayExpunge)
    {
        if (!_options.Announces)
        {
            return "";
        }

        StringBuilder news = new();
        IReadOnlyList<uint> now = mailbox.Uids;
        for (int i = _view.Count - 1; i >= 0 && mayExpunge; i--)
        {
            if (!now.Contains(_view[i]))
            {
                news.Append(CultureInfo.InvariantCulture, $"* {i + 1} EXPUNGE\r\n");
                _view.RemoveAt(i);
            }
        }

        uint[] added = [.. now.Except(_view)];
        if (added.Length > 0)
        {
            _view.AddRange(added);
            news.Append(CultureInfo.InvariantCulture, $"* {_view.Count} EXISTS\r\n* {added.Length} RECENT\r\n");
        }

        return news.ToString();
    }

    private static void Write(MemoryStream to, string text) => to.Write(Encoding.UTF8.GetBytes(text));
}
