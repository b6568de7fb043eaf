using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Reads rows of <c>messages</c>, in one order of columns, and computes their checksums.</summary>
internal static class MessageRow
{
    /// <summary>The columns every reader selects; a body is the last one.</summary>
    public const string Columns = """
        m.seq, m.id, m.queue, m.type, m.state, m.key_hash, m.created_at, m.attempt, m.failures, m.deaths, m.fence, m.not_before, m.hold, m.expires_at,
        m.finished_at, m.failure_kind, m.body_crc, m.row_crc, m.outside_id, m.parent, m.group_id, m.conversation, m.track, m.error, m.extra, m.body_hash
        """;

    /// <summary>Columns with the body.</summary>
    public const string WithBody = Columns + ", m.body";

    /// <summary>Columns with the body's length in its place.</summary>
    public const string WithoutBody = Columns + ", ifnull((select b.size from bodies b where b.hash = m.body_hash), length(m.body))";

    /// <summary>The checksum of what never changes.</summary>
    public static long BodyCrc(
        long seq, MessageId id, long queue, long type, long? keyHash, long createdAt, long? expiresAt,
        ReadOnlySpan<byte> parent, ReadOnlySpan<byte> group, ReadOnlySpan<byte> conversation, ReadOnlySpan<byte> extra, ReadOnlySpan<byte> bodyOrHash)
    {
        RowChecksum sum = default;
        sum.Add(seq);
        sum.Add(id);
        sum.Add(queue);
        sum.Add(type);
        sum.Add(keyHash);
        sum.Add(createdAt);
        sum.Add(expiresAt);
        sum.Add(parent);
        sum.Add(group);
        sum.Add(conversation);
        sum.Add(extra);
        sum.Add(bodyOrHash);
        return sum.Value;
    }

    /// <summary>The checksum of what is rewritten with the state.</summary>
    public static long RowCrc(in RowMove row)
    {
        RowChecksum sum = default;
        sum.Add(row.Seq);
        sum.Add(row.Id);
        sum.Add(((long)row.State << 1) | (row.Holds ? 1L : 0L));
        sum.Add(row.Attempt);
        sum.Add(row.Failures);
        sum.Add(row.Deaths);
        sum.Add(row.Fence);
        sum.Add(row.Due);
        sum.Add(row.FinishedAt);
        sum.Add(row.Kind);
        sum.AddText(row.OutsideId);
        sum.AddText(row.Error);
        return sum.Value;
    }

    /// <summary>Whether the row's checksums hold; the body's only when the row was selected with it.</summary>
    public static bool IsSound(SqliteStatement row, bool withBody)
    {
        if (row.GetBlob(1).Length != 16)
        {
            return false;
        }

        MessageId id = MessageId.FromBytes(row.GetBlob(1));
        RowMove move = new()
        {
            Seq = row.GetInt64(0),
            Id = id,
            State = (MessageState)row.GetInt64(4),
            Attempt = (int)row.GetInt64(7),
            Failures = (int)row.GetInt64(8),
            Deaths = (int)row.GetInt64(9),
            Fence = row.GetInt64(10),
            Due = row.GetOptionalInt64(11),
            Holds = row.GetInt64(12) != 0,
            FinishedAt = row.GetOptionalInt64(14),
            Kind = row.GetOptionalInt64(15),
            OutsideId = row.GetOptionalText(18),
            Error = row.GetOptionalText(23),
        };
        if (RowCrc(move) != row.GetInt64(17))
        {
            return false;
        }

        if (!TrackColumn.IsSound(row.GetBlob(22)))
        {
            return false;
        }

        return !withBody || BodyCrc(
            move.Seq, id, row.GetInt64(2), row.GetInt64(3), row.GetOptionalInt64(5), row.GetInt64(6), row.GetOptionalInt64(13),
            row.GetBlob(19), row.GetBlob(20), row.GetUtf8(21), row.GetBlob(24), row.IsNull(25) ? row.GetBlob(26) : row.GetBlob(25)) == row.GetInt64(16);
    }

    /// <summary>Reads a row.</summary>
    /// <param name="row">A statement on a row, with <see cref="WithBody"/> or <see cref="WithoutBody"/>.</param>
    /// <param name="names">The names of queues and types.</param>
    /// <param name="apart">Reads bytes that are kept apart; null for a row without its body.</param>
    public static OpenMessage Read(SqliteStatement row, NameTable names, Func<byte[], byte[]>? apart)
    {
        MessageId id = MessageId.FromBytes(row.GetBlob(1));
        ReadOnlyMemory<byte> body = apart is null ? default : !row.IsNull(25) ? apart(row.GetBlob(25).ToArray()) : row.GetBlob(26).ToArray();
        Envelope plain = new(id, names.Queue(row.GetInt64(2)), names.Type(row.GetInt64(3)), body)
        {
            Seq = row.GetInt64(0),
            CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(6)),
            Conversation = row.GetOptionalText(21),
            ExpiresAt = Instant(row.GetOptionalInt64(13)),
            ParentId = row.IsNull(19) ? null : MessageId.FromBytes(row.GetBlob(19)),
            GroupId = row.IsNull(20) ? null : MessageId.FromBytes(row.GetBlob(20)),
        };
        var message = new OpenMessage(ExtraColumn.Read(row.GetBlob(24), plain, apart))
        {
            State = (MessageState)row.GetInt64(4),
            Attempt = row.GetInt32(7),
            Failures = row.GetInt32(8),
            Deaths = row.GetInt32(9),
            Fence = row.GetInt64(10),
            SettledFence = row.GetInt64(10),
            RowDue = row.GetOptionalInt64(11),
            RowHolds = row.GetInt64(12) != 0,
            FinishedAt = Instant(row.GetOptionalInt64(14)),
            FailureKind = row.IsNull(15) ? null : (FailureKind)row.GetInt64(15),
            OutsideId = row.GetOptionalText(18),
            Error = row.GetOptionalText(23),
        };
        message.DueAt = message.RowHolds ? Instant(message.RowDue) : null;
        _ = TrackColumn.Read(row.GetBlob(22), message);
        if (message.State is MessageState.Pending or MessageState.Dispatched && message.Replays > 0)
        {
            message.GoesFirst = true;
            if (message.RowDue is null)
            {
                message.ClearTimes();
            }
        }

        return message;
    }

    private static DateTimeOffset? Instant(long? milliseconds) => milliseconds is { } value ? DateTimeOffset.FromUnixTimeMilliseconds(value) : null;
}

/// <summary>The columns of a row that change together with its state.</summary>
internal readonly record struct RowMove
{
    public required long Seq { get; init; }

    public required MessageId Id { get; init; }

    public required MessageState State { get; init; }

    public required int Attempt { get; init; }

    public required int Failures { get; init; }

    public required int Deaths { get; init; }

    public required long Fence { get; init; }

    public long? Due { get; init; }

    public bool Holds { get; init; }

    public long? FinishedAt { get; init; }

    public long? Kind { get; init; }

    public string? OutsideId { get; init; }

    public string? Error { get; init; }

    /// <summary>The row of a message as it stands.</summary>
    public static RowMove Of(OpenMessage message, MessageState state) => new()
    {
        Seq = message.Seq,
        Id = message.Envelope.Id,
        State = state,
        Attempt = message.Attempt,
        Failures = message.Failures,
        Deaths = message.Deaths,
        Fence = message.Fence,
        Due = message.RowDue,
        Holds = message.RowHolds,
        FinishedAt = message.FinishedAt?.ToUnixTimeMilliseconds(),
        Kind = (long?)message.FailureKind,
        OutsideId = message.OutsideId,
        Error = message.Error,
    };
}
