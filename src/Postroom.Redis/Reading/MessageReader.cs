using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Reads messages with what is known of them. Safe for concurrent use; reads share the connection and go out together.</summary>
internal sealed class MessageReader(RedisClient client, RedisKeys keys)
{
    /// <summary>Where a message is; null when it is not kept.</summary>
    public async ValueTask<MessagePlace?> FindAsync(MessageId id, CancellationToken cancellationToken)
    {
        RespValue place = await client.CallAsync(new RespCommand("HGET", keys.Ids(id), BatchWriter.Bytes16(id)), cancellationToken);
        return place.IsNull ? null : MessagePlace.Parse(place.AsText());
    }

    /// <summary>A message as it is stored; null when it is not kept.</summary>
    public async ValueTask<OpenMessage?> ReadAsync(MessageId id, CancellationToken cancellationToken)
    {
        return await FindAsync(id, cancellationToken) is { } place ? await ReadAsync(id, place, cancellationToken) : null;
    }

    /// <summary>A message whose place is known.</summary>
    public async ValueTask<OpenMessage?> ReadAsync(MessageId id, MessagePlace place, CancellationToken cancellationToken)
    {
        Task<RespValue> entry = client.CallAsync(
            new RespCommand("XRANGE", keys.Stream(place.Queue, place.Partition), place.Seq, place.Seq), cancellationToken).AsTask();
        RespValue extra = place.HasExtra ? await client.CallAsync(new RespCommand("HMGET", keys.Extra(id), "t", "m"), cancellationToken) : RespValue.Null;
        RespValue found = await entry;
        ReadOnlyMemory<byte> packed = extra.Items is [_, { IsNull: false } erased] ? erased.Bytes
            : found.Items is [var only] ? only[1][1].Bytes
            : default;
        return packed.IsEmpty ? null : Make(PackedMessage.Read(packed.Span, place.Seq, withBody: true, out _), place, extra);
    }

    /// <summary>The places of messages, in their order; null for those that are not kept.</summary>
    public async ValueTask<MessagePlace?[]> FindAsync(IReadOnlyList<MessageId> ids, CancellationToken cancellationToken)
    {
        MessagePlace?[] places = new MessagePlace?[ids.Count];
        IEnumerable<IGrouping<string, int>> hours = Enumerable.Range(0, ids.Count).GroupBy(i => keys.Ids(ids[i]));
        await Task.WhenAll(hours.Select(async hour =>
        {
            int[] members = [.. hour];
            RespCommand command = new("HMGET", hour.Key);
            foreach (int i in members)
            {
                command.Add(BatchWriter.Bytes16(ids[i]));
            }

            RespValue[] values = (await client.CallAsync(command, cancellationToken)).Items;
            for (int i = 0; i < members.Length; i++)
            {
                places[members[i]] = values[i].IsNull ? null : MessagePlace.Parse(values[i].AsText());
            }
        }));
        return places;
    }

    /// <summary>Messages of one stream with what is known of them, in their order; those whose record is gone are left out.</summary>
    public async ValueTask<List<OpenMessage>> CompleteAsync(IReadOnlyList<Envelope> envelopes, CancellationToken cancellationToken)
    {
        MessagePlace?[] places = await FindAsync([.. envelopes.Select(envelope => envelope.Id)], cancellationToken);
        RespValue[] extras = await Task.WhenAll(Enumerable.Range(0, envelopes.Count).Select(async i => places[i] is { HasExtra: true }
            ? await client.CallAsync(new RespCommand("HMGET", keys.Extra(envelopes[i].Id), "t", "m"), cancellationToken)
            : RespValue.Null));
        List<OpenMessage> messages = new(envelopes.Count);
        for (int i = 0; i < envelopes.Count; i++)
        {
            if (places[i] is { } place && place.Seq == envelopes[i].Seq)
            {
                messages.Add(Make(envelopes[i], place, extras[i]));
            }
        }

        return messages;
    }

    /// <summary>The messages of a part of a stream.</summary>
    /// <param name="entries">What the server gave for it.</param>
    /// <param name="damaged">Is told of entries that cannot be read.</param>
    public static List<Envelope> Unpack(in RespValue entries, Action<string> damaged)
    {
        List<Envelope> envelopes = new(entries.Items.Length);
        foreach (RespValue entry in entries.Items)
        {
            long seq = SeqOf(entry);
            try
            {
                // In an entry that was deleted while the server went through the stream there is nothing.
                if (entry[1].Items is [_, var packed, ..])
                {
                    envelopes.Add(PackedMessage.Read(packed.Bytes.Span, seq, withBody: true, out _));
                }
            }
            catch (InvalidDataException e)
            {
                damaged(e.Message);
            }
        }

        return envelopes;
    }

    /// <summary>The number of an entry: the first part of its id.</summary>
    public static long SeqOf(in RespValue entry)
    {
        string id = entry[0].AsText();
        return long.Parse(id.AsSpan(0, id.IndexOf('-', StringComparison.Ordinal)), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static OpenMessage Make(Envelope envelope, MessagePlace place, in RespValue extra)
    {
        OpenMessage message = new(envelope)
        {
            State = place.State,
            Attempt = place.Attempt,
            DispatchedAt = place.DispatchedAt,
            FinishedAt = place.FinishedAt,
            RowHasTrack = place.HasExtra,
        };
        if (extra.Items is [{ IsNull: false } json, ..])
        {
            MessageExtra.Read(json.Bytes.Span, message);
        }

        return message;
    }
}
