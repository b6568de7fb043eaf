using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

/// <summary>One look into a mailbox (SR-10): finds what is unread and not accepted, reads it without marking it, and stores it in batches, oldest first.</summary>
internal sealed partial class ImapRound(
    ImapSourceConfig config, ImapConnection connection, ImapLedger ledger, ImapFailures failures, IMessageSink sink, string source, TimeProvider clock, ILogger log)
{
    private const int MaxHeaders = 64 * 1024;
    private const int MaxBeginning = 64 * 1024; // SR-14
    private const long MaxBatchBytes = 8L * 1024 * 1024;

    private readonly SenderPatterns _senders = new(config.AcceptFrom);
    private readonly List<(uint Uid, SourceMessage Message)> _batch = [];
    private readonly string _account = config.Username.Contains('@', StringComparison.Ordinal) ? config.Username : $"{config.Username}@{config.Host}";
    private long _batchBytes;
    private int _new;

    /// <summary>Looks once.</summary>
    /// <returns>How many messages were new.</returns>
    /// <exception cref="ImapConnectionException">The connection broke; what was stored before stays stored.</exception>
    public async ValueTask<int> RunAsync(CancellationToken cancellationToken)
    {
        List<uint> fresh = await FindAsync(cancellationToken);
        foreach (uint[] uids in fresh.Chunk(config.Batch))
        {
            IReadOnlyDictionary<uint, ImapMail> known = await connection.FetchAsync(uids, "(UID INTERNALDATE RFC822.SIZE)", cancellationToken);
            foreach (uint uid in uids.Where(known.ContainsKey))
            {
                await ReadAsync(known[uid], cancellationToken);
            }

            await FlushAsync(cancellationToken);
        }

        if (ledger.IsChanged)
        {
            await sink.AcceptAsync([], ledger.ToCheckpoint(), cancellationToken);
        }

        return _new;
    }

    private async ValueTask<List<uint>> FindAsync(CancellationToken cancellationToken)
    {
        string criteria = $"UNSEEN UNKEYWORD {config.FailedKeyword}";
        if (config.MarkSeen == MarkPolicy.Never)
        {
            criteria += string.Create(CultureInfo.InvariantCulture, $" UID {ledger.Watermark + 1UL}:*");
        }

        IReadOnlyList<uint> found = await connection.SearchAsync(criteria, cancellationToken);

        // "n:*" names the last mail even when its UID is below n (RFC 3501 §6.4.8).
        return [.. found.Where(uid => !ledger.Has(uid) && uid > ledger.Watermark).Take(config.MarkSeen == MarkPolicy.Never ? int.MaxValue : Math.Max(0, ledger.Room))];
    }

    private async ValueTask ReadAsync(ImapMail known, CancellationToken cancellationToken)
    {
        MailMessage mail;
        ReadOnlyMemory<byte> raw;
        try
        {
            bool oversize = known.Size > config.MaxMessage;
            string items = oversize ? $"(UID BODY.PEEK[]<0.{MaxHeaders + MaxBeginning}>)" : "(UID BODY.PEEK[])";
            if ((await connection.FetchAsync([known.Uid], items, cancellationToken)).GetValueOrDefault(known.Uid)?.Body is not { } body)
            {
                return; // Gone meanwhile.
            }

            DateTimeOffset arrived = known.InternalDate ?? clock.GetUtcNow();
            raw = oversize ? Beginning(body) : body;
            mail = oversize ? MailMessageReader.ReadBeginning(raw, arrived, known.Size ?? body.Length) : MailMessageReader.Read(raw, arrived, config.KeepRaw);
        }
        catch (Exception e) when (e is ImapCommandException or ImapConnectionException)
        {
            Failed(known.Uid, e);
            if (e is ImapConnectionException)
            {
                throw;
            }

            return;
        }

        mail = mail with { Account = _account, Mailbox = config.Mailbox, UidValidity = ledger.UidValidity, Uid = known.Uid };
        if (_senders.Accept(mail.From?.Address))
        {
            await AddAsync(known.Uid, mail, raw, cancellationToken);
        }
        else
        {
            LogNotTaken(source, known.Uid, mail.From?.Address ?? "nobody");
            ledger.Keep(known.Uid);
        }
    }

    private async ValueTask AddAsync(uint uid, MailMessage mail, ReadOnlyMemory<byte> raw, CancellationToken cancellationToken)
    {
        string? key = config.MarkSeen == MarkPolicy.AfterAck ? string.Create(CultureInfo.InvariantCulture, $"{ledger.UidValidity}.{uid}") : null;
        SourceMessage message = MailTranslation.ToSource(mail, config.Into, config.ReplyVia, key, raw.Span);
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
        if (config.MarkSeen == MarkPolicy.Never)
        {
            if (!batch.Any(one => failures.Has(ledger.UidValidity, one.Uid)))
            {
                ledger.Watermark = Math.Max(ledger.Watermark, batch.Max(one => one.Uid));
            }

        }

        // The ids are known after the commit only, so this checkpoint lacks them, and the next has them. A crash in between reads these mails again and
        // finds repeats.
        return await sink.AcceptAsync([.. batch.Select(one => one.Message)], ledger.ToCheckpoint(), cancellationToken);
    }

    private async ValueTask AcceptedAsync((uint Uid, SourceMessage Message)[] batch, IReadOnlyList<AcceptResult> results, CancellationToken cancellationToken)
    {
        _new += results.Count(result => !result.Duplicate);
        if (config.MarkSeen == MarkPolicy.Never)
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
                if (state is MessageState.Acked or MessageState.Failed)
                {
                    marker.Add(state == MessageState.Acked ? MarkRequest.Seen : MarkRequest.Failed, [batch[i].Uid]);
                }
            }
        }

        await marker.RunAsync(cancellationToken);
    }

    private void Failed(uint uid, Exception e)
    {
        if (failures.Add(ledger.UidValidity, uid))
        {
            ledger.Keep(uid);
            LogParked(source, uid, config.Mailbox, e.Message);
        }
        else
        {
            LogUnread(source, uid, e.Message);
        }
    }

    private static ReadOnlyMemory<byte> Beginning(ReadOnlyMemory<byte> body)
    {
        int end = body.Span.IndexOf("\r\n\r\n"u8);
        return body[..Math.Min(body.Length, (end < 0 ? 0 : end) + MaxBeginning)];
    }

    [LoggerMessage(6110, LogLevel.Information, "Source '{Source}': mail {Uid} of {Sender} is not taken (acceptFrom) and stays as it is.")]
    private partial void LogNotTaken(string source, uint uid, string sender);

    [LoggerMessage(6111, LogLevel.Warning, "Source '{Source}': mail {Uid} could not be read and is tried again: {Why}")]
    private partial void LogUnread(string source, uint uid, string why);

    [LoggerMessage(6112, LogLevel.Error, "Source '{Source}': mail {Uid} of '{Mailbox}' could not be read three times and is passed over: {Why} Look at it with a mail program; marking it read there is enough to be rid of it.")]
    private partial void LogParked(string source, uint uid, string mailbox, string why);
}
