using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

/// <summary>Stores a batch with a checkpoint, as <see cref="IMessageSink.AcceptAsync"/> does.</summary>
internal delegate ValueTask<IReadOnlyList<AcceptResult>> ImapAccept(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte> checkpoint, CancellationToken cancellationToken);

/// <summary>One look into a mailbox (SR-10): finds what is unread and not accepted, reads it without marking it, and stores it in batches, oldest first.</summary>
internal sealed partial class ImapRound(
    ImapSourceConfig config, ImapConnection connection, ImapLedger ledger, ImapMemory memory, IMessageSink sink, ImapAccept accept, string source, TimeProvider clock, ILogger log)
{
    private const int MaxHeaders = 64 * 1024;
    private const int MaxBeginning = 64 * 1024; // SR-14
    private const int MaxPerCommand = 500; // its UIDs fit a line of 8,192 bytes (RFC 7162 §4)
    private const long MaxBatchBytes = 8L * 1024 * 1024;

    private readonly SenderPatterns _senders = new(config.AcceptFrom);
    private readonly List<(uint Uid, SourceMessage Message)> _batch = [];
    private readonly string _account = config.Username.Contains('@', StringComparison.Ordinal) ? config.Username : $"{config.Username}@{config.Host}";
    private readonly bool _never = config.MarkSeen == MarkPolicy.Never;
    private ImapWitness _witness = new(connection, memory, []);
    private uint _beforeFailed = uint.MaxValue;
    private long _batchBytes;
    private int _new;

    /// <summary>Looks once.</summary>
    /// <returns>How many messages were new.</returns>
    /// <exception cref="ImapConnectionException">The connection broke; what was stored before stays stored.</exception>
    /// <exception cref="ImapCommandException">The server gives no mail at all; as before.</exception>
    public async ValueTask<int> RunAsync(CancellationToken cancellationToken)
    {
        List<uint> fresh = await FindAsync(cancellationToken);
        _witness = new ImapWitness(connection, memory, fresh);
        bool isFull = false;
        foreach (uint[] uids in fresh.Chunk(memory.OneByOne ? 1 : Math.Min(config.Batch, MaxPerCommand)).TakeWhile(_ => !isFull))
        {
            try
            {
                foreach (ImapMail known in await AskAsync(uids, cancellationToken))
                {
                    if (isFull = !_never && ledger.Room <= _batch.Count)
                    {
                        break;
                    }

                    await ReadAsync(known, cancellationToken);
                }
            }
            catch (Exception e) when (e is ImapConnectionException or ImapCommandException && _batch.Count > 0)
            {
                // A server that gives some mails on each connection, and then no more, is read on all the same.
                await KeepReadAsync(cancellationToken);
                throw;
            }

            await FlushAsync(cancellationToken);
            if (_never)
            {
                ledger.Advance(Math.Min(uids[^1], _beforeFailed));
            }
        }

        if (isFull && !memory.SaidFull)
        {
            LogFull(source, ImapLedger.Capacity);
        }

        memory.SaidFull = isFull;
        memory.OneByOne = false;
        if (ledger.IsChanged)
        {
            (byte[] checkpoint, int change) = ledger.ToCheckpoint();
            await accept([], checkpoint, cancellationToken);
            ledger.Saved(change);
        }

        return _new;
    }

    /// <summary>Stores what was read before the server failed; the marks of that may fail with it, and come with a later look.</summary>
    private async ValueTask KeepReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            await FlushAsync(cancellationToken);
        }
        catch (Exception e) when (e is ImapConnectionException or ImapCommandException)
        {
            // The failure before is the one to be told.
        }
    }

    private async ValueTask<List<uint>> FindAsync(CancellationToken cancellationToken)
    {
        string beyond = _never ? string.Create(CultureInfo.InvariantCulture, $" UID {Math.Min(ledger.Watermark, uint.MaxValue - 1) + 1}:*") : "";
        IReadOnlyList<uint> found = await connection.SearchUnreadAsync(config.FailedKeyword, beyond, cancellationToken);
        memory.Forget(found);
        if (!_never)
        {
            ledger.Forget(found);
        }

        // "n:*" names the last mail even when its UID is below n (RFC 3501 §6.4.8).
        return [.. found.Where(uid => !ledger.Has(uid) && uid > ledger.Watermark && !memory.IsUnwanted(uid))];
    }

    /// <summary>Asks what the server knows of mails; those that are gone are left out.</summary>
    private async ValueTask<IReadOnlyList<ImapMail>> AskAsync(uint[] uids, CancellationToken cancellationToken)
    {
        if (uids is [var alone])
        {
            return await AloneAsync(alone, () => AskKnownAsync(uids, cancellationToken), cancellationToken) ?? [];
        }

        try
        {
            return await AskKnownAsync(uids, cancellationToken) ?? [];
        }
        catch (ImapConnectionException)
        {
            memory.OneByOne = true;
            throw;
        }
        catch (ImapCommandException)
        {
            List<ImapMail> known = [];
            foreach (uint uid in uids)
            {
                known.AddRange(await AskAsync([uid], cancellationToken));
            }

            return known;
        }
    }

    private async ValueTask<IReadOnlyList<ImapMail>?> AskKnownAsync(uint[] uids, CancellationToken cancellationToken)
    {
        // Where a search cannot leave out the failed ones, their flags tell of them: the ledger may be that of another run.
        string flags = connection.FindsKeyword(config.FailedKeyword) ? "" : " FLAGS";
        string sender = config.AcceptFrom.Count > 0 ? " BODY.PEEK[HEADER.FIELDS (FROM)]" : "";
        IReadOnlyDictionary<uint, ImapMail> known = await connection.FetchAsync(uids, $"(UID INTERNALDATE RFC822.SIZE{flags}{sender})", cancellationToken);
        return [.. uids.Where(known.ContainsKey).Select(uid => known[uid]).Where(mail => !IsFailed(mail))];
    }

    /// <summary>Whether a mail has the keyword of a failure, which a search did not leave out; it is remembered then.</summary>
    private bool IsFailed(ImapMail mail)
    {
        bool failed = mail.Flags?.Contains(config.FailedKeyword, StringComparer.OrdinalIgnoreCase) == true;
        if (failed && !_never && ledger.Room > _batch.Count)
        {
            ledger.Keep(mail.Uid);
        }

        return failed;
    }

    private async ValueTask ReadAsync(ImapMail known, CancellationToken cancellationToken)
    {
        if (await AloneAsync(known.Uid, () => TranslateAsync(known, cancellationToken), cancellationToken) is { } message)
        {
            memory.Succeed(known.Uid);
            await AddAsync(known.Uid, message, cancellationToken);
        }
    }

    /// <summary>
    /// Does what is about one mail alone; null when that failed and is no reason to leave the others. A failure counts against the mail only while the server gives
    /// another one; otherwise it is the source that fails, and waits (SR-5).
    /// </summary>
    private async ValueTask<T?> AloneAsync<T>(uint uid, Func<ValueTask<T?>> work, CancellationToken cancellationToken)
        where T : class
    {
        // After a break nothing can be asked any more, so it is asked before. The first break only makes a mail a suspect.
        bool isProven = memory.FailuresOf(uid) == 0 || await _witness.SpeaksAsync(uid, cancellationToken);
        try
        {
            return await work();
        }
        catch (ImapConnectionException e)
        {
            if (isProven || e.IsTooLong)
            {
                Failed(uid, e);
            }

            throw;
        }
        catch (Exception e) when (e is not (OperationCanceledException or OutOfMemoryException))
        {
            if (!await _witness.SpeaksAsync(uid, cancellationToken))
            {
                throw;
            }

            Failed(uid, e);
            return null;
        }
    }

    /// <summary>Reads a mail and makes a message of it; null when it is gone, or nobody wants it.</summary>
    private async ValueTask<SourceMessage?> TranslateAsync(ImapMail known, CancellationToken cancellationToken)
    {
        if (known.Header is { } header && !IsWanted(known.Uid, MailMessageReader.Read(header, clock.GetUtcNow()).From))
        {
            return null;
        }

        bool isCut = known.Size > config.MaxMessage || memory.IsTooLong(known.Uid);
        string items = isCut ? $"(UID BODY.PEEK[]<0.{MaxHeaders + MaxBeginning}>)" : "(UID BODY.PEEK[])";
        if (!(await connection.FetchAsync([known.Uid], items, cancellationToken)).TryGetValue(known.Uid, out ImapMail? read))
        {
            return null; // Gone meanwhile.
        }

        ReadOnlyMemory<byte> raw = read.Body ?? throw new InvalidDataException($"{connection.Server} gives nothing of it.");
        DateTimeOffset arrived = known.InternalDate ?? clock.GetUtcNow();
        MailMessage mail;
        if (isCut || raw.Length > config.MaxMessage)
        {
            long size = Math.Max(known.Size ?? 0, raw.Length);
            raw = Beginning(raw);
            mail = MailMessageReader.ReadBeginning(raw, arrived, size);
        }
        else
        {
            mail = MailMessageReader.Read(raw, arrived, config.KeepRaw);
        }

        if (!IsWanted(known.Uid, mail.From))
        {
            return null;
        }

        mail = mail with { Account = _account, Mailbox = config.Mailbox, UidValidity = ledger.Numbering.UidValidity, Uid = known.Uid };
        return MailTranslation.ToSource(mail, config.Into, config.ReplyVia, config.MarkSeen == MarkPolicy.AfterAck ? ledger.Numbering.KeyOf(known.Uid) : null, raw.Span);
    }

    private bool IsWanted(uint uid, MailAddress? sender)
    {
        if (_senders.Accept(sender?.Address))
        {
            return true;
        }

        LogNotTaken(source, uid, Names.Shorten(sender?.Address ?? "nobody"));
        memory.Refuse(uid);
        return false;
    }

    private async ValueTask AddAsync(uint uid, SourceMessage message, CancellationToken cancellationToken)
    {
        long bytes = message.Body.Length + message.Attachments.Sum(file => file.Length ?? 0);
        if (_batch.Count > 0 && _batchBytes + bytes > MaxBatchBytes)
        {
            await FlushAsync(cancellationToken);
        }

        _batch.Add((uid, message));
        _batchBytes += bytes;
        if (_batch.Count >= config.Batch)
        {
            await FlushAsync(cancellationToken);
        }
    }

    /// <summary>Stores what was read, with the checkpoint that says so.</summary>
    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (_batch.Count == 0)
        {
            return;
        }

        (uint Uid, SourceMessage Message)[] batch = [.. _batch];
        _batch.Clear();
        _batchBytes = 0;
        IReadOnlyList<AcceptResult> results;
        try
        {
            results = await StoreAsync(batch, cancellationToken);
        }
        catch (ArgumentException e) when (batch.Length == 1)
        {
            Failed(batch[0].Uid, e);
            return;
        }
        catch (ArgumentException)
        {
            // One of them cannot be a message: alone it does not keep the others out.
            foreach ((uint Uid, SourceMessage Message) one in batch)
            {
                _batch.Add(one);
                await FlushAsync(cancellationToken);
            }

            return;
        }

        await AcceptedAsync(batch, results, cancellationToken);
    }

    private async ValueTask<IReadOnlyList<AcceptResult>> StoreAsync((uint Uid, SourceMessage Message)[] batch, CancellationToken cancellationToken)
    {
        // The ids are known after the commit only, so this checkpoint lacks them, and the next has them. A crash in between reads these mails again and
        // finds repeats. Mails come in ascending order: with the last of these, all before it are stored too, but for those that failed.
        uint? watermark = _never ? Math.Max(ledger.Watermark, Math.Min(batch[^1].Uid, _beforeFailed)) : null;
        (byte[] checkpoint, int change) = ledger.ToCheckpoint(watermark);
        IReadOnlyList<AcceptResult> results = await accept([.. batch.Select(one => one.Message)], checkpoint, cancellationToken);
        ledger.Saved(change);
        ledger.Advance(watermark ?? 0);
        return results;
    }

    private async ValueTask AcceptedAsync((uint Uid, SourceMessage Message)[] batch, IReadOnlyList<AcceptResult> results, CancellationToken cancellationToken)
    {
        _new += results.Count(result => !result.Duplicate);
        if (_never)
        {
            return;
        }

        ImapMarker marker = new(config, connection, ledger);
        for (int i = 0; i < batch.Length; i++)
        {
            ledger.Add(batch[i].Uid, results[i].Id);
            if (config.MarkSeen == MarkPolicy.AfterAccept)
            {
                marker.Add(MarkRequest.Seen, [batch[i].Uid]);
            }
            else if (results[i].Duplicate)
            {
                // When the work of the first copy has ended, its mark was for the first.
                MessageState? state = await sink.StateOfAsync(results[i].Id, cancellationToken);
                if (state is null)
                {
                    // Its key outlives its message: nobody knows how that ended, so it is not shown as done (SR-13), and not read with every look either.
                    ledger.Keep(batch[i].Uid);
                    LogForgotten(source, batch[i].Uid, config.Mailbox, results[i].Id);
                }
                else if (state is MessageState.Acked or MessageState.Failed)
                {
                    if (state == MessageState.Failed)
                    {
                        ledger.Fail(batch[i].Uid, isCopy: true);
                    }

                    marker.Add(state == MessageState.Acked ? MarkRequest.Seen : MarkRequest.Failed, [batch[i].Uid]);
                }
            }
        }

        foreach (ImapCommandException refused in (await marker.RunAsync(cancellationToken)).Values)
        {
            LogUnmarked(source, refused.Message);
        }
    }

    private void Failed(uint uid, Exception e)
    {
        bool isTemporary = e is ImapCommandException { IsTemporary: true };
        if (!isTemporary && memory.Fail(uid, e is ImapConnectionException { IsTooLong: true }) && ledger.Room > (_never ? 0 : _batch.Count))
        {
            ledger.Keep(uid);
            LogParked(source, uid, config.Mailbox, e.Message);
        }
        else
        {
            _beforeFailed = Math.Min(_beforeFailed, uid - 1);
            LogUnread(source, uid, e.Message);
        }
    }

    private static ReadOnlyMemory<byte> Beginning(ReadOnlyMemory<byte> body)
    {
        int end = body.Span[..Math.Min(body.Length, MaxHeaders)].IndexOf("\r\n\r\n"u8);
        return body[..Math.Min(body.Length, (end < 0 ? 0 : end + 4) + MaxBeginning)];
    }

    [LoggerMessage(6110, LogLevel.Information, "Source '{Source}': mail {Uid} of {Sender} is not taken (acceptFrom) and stays as it is.")]
    private partial void LogNotTaken(string source, uint uid, string sender);

    [LoggerMessage(6111, LogLevel.Warning, "Source '{Source}': mail {Uid} could not be read and is tried again: {Why}")]
    private partial void LogUnread(string source, uint uid, string why);

    [LoggerMessage(6112, LogLevel.Error, "Source '{Source}': mail {Uid} of '{Mailbox}' could not be read three times and is passed over: {Why} Look at it with a mail program; marking it read there is enough to be rid of it, and unread again to have it tried once more.")]
    private partial void LogParked(string source, uint uid, string mailbox, string why);

    [LoggerMessage(6115, LogLevel.Warning, "Source '{Source}': mail {Uid} of '{Mailbox}' was message {Message}, which is not kept any more, so nobody can tell how it ended. It is passed over and stays unread. Look at it with a mail program; marking it read there is enough to be rid of it.")]
    private partial void LogForgotten(string source, uint uid, string mailbox, MessageId message);

    [LoggerMessage(6113, LogLevel.Warning, "Source '{Source}': further mails wait in the mailbox, since {Limit} are in work or remembered as failed. They are read as those come to an end.")]
    private partial void LogFull(string source, int limit);

    [LoggerMessage(6114, LogLevel.Warning, "Source '{Source}': mails could not be marked; that is tried again: {Why}")]
    private partial void LogUnmarked(string source, string why);
}
