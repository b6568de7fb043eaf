using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>What of a message's way is usually absent, in one packed column with its own checksum.</summary>
internal static class TrackColumn
{
    private const byte Format = 1;

    [Flags]
    private enum Part
    {
        None = 0,
        Redelivered = 1,
        Replays = 2,
        SendStarted = 4,
        Progress = 8,
        Owner = 16,
        Dispatched = 32,
        UnansweredSends = 64, // more than the one that a send without an answer is
    }

    /// <summary>Packs a message's way as its row shall show it; false when there is nothing to pack.</summary>
    /// <param name="writer">Packs it.</param>
    /// <param name="message">The message.</param>
    /// <param name="sendStartedAt">A claimed send whose outcome is not known.</param>
    /// <param name="owner">Who has it; null for nobody.</param>
    /// <param name="withBegin">Whether the begin of the last attempt is kept, which it always is with an owner.</param>
    public static bool Write(PackWriter writer, OpenMessage message, DateTimeOffset? sendStartedAt, string? owner, bool withBegin = false)
    {
        writer.Clear();
        Part parts = Part.None;
        parts |= message.Redelivered ? Part.Redelivered : 0;
        parts |= message.Replays > 0 ? Part.Replays : 0;
        parts |= sendStartedAt is not null ? Part.SendStarted : 0;
        parts |= message.Progress.Count > 0 ? Part.Progress : 0;
        parts |= owner is not null ? Part.Owner : 0;
        parts |= (withBegin || owner is not null) && message.DispatchedAt is not null ? Part.Dispatched : 0;
        parts |= sendStartedAt is not null && message.UnansweredSends > 1 ? Part.UnansweredSends : 0;
        if (parts == Part.None)
        {
            return false;
        }

        writer.Byte(Format);
        writer.Number((long)parts);
        if (parts.HasFlag(Part.Replays))
        {
            writer.Number(message.Replays);
        }

        if (parts.HasFlag(Part.SendStarted))
        {
            writer.Number(sendStartedAt!.Value.ToUnixTimeMilliseconds());
        }

        if (parts.HasFlag(Part.Progress))
        {
            writer.Number(message.Progress.Count);
            foreach (string id in message.Progress)
            {
                writer.Text(id);
            }
        }

        if (parts.HasFlag(Part.Owner))
        {
            writer.Text(owner!);
        }

        if (parts.HasFlag(Part.Dispatched))
        {
            writer.Number(message.DispatchedAt!.Value.ToUnixTimeMilliseconds());
        }

        // Last, where builds that do not know it do not look.
        if (parts.HasFlag(Part.UnansweredSends))
        {
            writer.Number(message.UnansweredSends);
        }

        writer.Checksum();
        return true;
    }

    /// <summary>Whether the column's checksum holds and this build reads its format; nothing is sound.</summary>
    public static bool IsSound(ReadOnlySpan<byte> track) =>
        track.IsEmpty || (track.Length >= 6 && track[0] == Format && Crc32C.Of(track[..^4]) == System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(track[^4..]));

    /// <summary>Puts the packed parts into a message; false when the column is damaged.</summary>
    public static bool Read(ReadOnlySpan<byte> track, OpenMessage message)
    {
        if (track.IsEmpty)
        {
            return true;
        }

        if (!IsSound(track))
        {
            return false;
        }

        PackReader reader = new(track[1..^4]);

        var parts = (Part)reader.Number();
        message.RowHasTrack = true;
        message.Redelivered = parts.HasFlag(Part.Redelivered);
        message.Replays = parts.HasFlag(Part.Replays) ? (int)reader.Number() : 0;
        message.SendStartedAt = parts.HasFlag(Part.SendStarted) ? DateTimeOffset.FromUnixTimeMilliseconds(reader.Number()) : null;
        if (parts.HasFlag(Part.Progress))
        {
            string[] progress = new string[reader.Count()];
            for (int i = 0; i < progress.Length; i++)
            {
                progress[i] = reader.Text();
            }

            message.Progress = progress;
        }

        message.Owner = parts.HasFlag(Part.Owner) ? reader.Text() : null;
        message.DispatchedAt = parts.HasFlag(Part.Dispatched) ? DateTimeOffset.FromUnixTimeMilliseconds(reader.Number()) : null;
        message.UnansweredSends = parts.HasFlag(Part.UnansweredSends) ? (int)reader.Number() : message.UnansweredSends;
        return true;
    }
}
