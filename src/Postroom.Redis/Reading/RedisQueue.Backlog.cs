using System.Collections.Concurrent;
using Postroom.Storage;

namespace Postroom.Redis;

/// <content>What the lane has no room for: it stays on the server, and its instant, its key or its handler finds it there again.</content>
internal sealed partial class RedisQueue
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    private readonly ConcurrentQueue<KeyChain> _starving = new();
    private readonly ConcurrentQueue<KeyChain> _uncounted = new();
    private readonly ConcurrentQueue<OpenMessage> _slim = new();
    private readonly ConcurrentQueue<OpenMessage> _left = new();
    private DateTimeOffset? _nextDue;
    private int _rewind;

    /// <summary>How many messages wait on the server for their instant, as far as this node left them there.</summary>
    public long DelayedThere => Volatile.Read(ref _delayedThere);

    private long _delayedThere;

    /// <summary>The lane wants followers of a key.</summary>
    public void AskForFollowers(KeyChain chain) => Ask(_starving, chain);

    /// <summary>The lane wants to know how many followers a key has.</summary>
    public void AskForCount(KeyChain chain) => Ask(_uncounted, chain);

    /// <summary>The lane wants a body that it let go.</summary>
    public void AskForBody(OpenMessage message) => Ask(_slim, message);

    /// <summary>The lane has let an open message go until its instant; it is in memory until that is noted.</summary>
    public void LeaveLater(OpenMessage message) => Ask(_left, message);

    /// <summary>Types have a handler again: what was left on the server is offered once more.</summary>
    public void AskForParked()
    {
        Volatile.Write(ref _rewind, 1);
        Signal();
    }

    private void Ask<T>(ConcurrentQueue<T> asked, T one)
    {
        asked.Enqueue(one);
        Signal();
    }

    /// <summary>Does what the lane asked for.</summary>
    private async Task ServeLaneAsync()
    {
        await EachAsync(_left, async message =>
        {
            await LeaveOnServerAsync(PartitionOf(message.Envelope), message, Admission.Later);
            Open.TryRemove(message.Envelope.Id, out _);
        });
        await EachAsync(_slim, LoadBodyAsync);
        await EachAsync(_starving, FollowAsync);
        await EachAsync(_uncounted, async chain => Lane.CountedLeft(chain, await CountBehindAsync(chain)));
        if (Interlocked.Exchange(ref _rewind, 0) == 1)
        {
            lock (_gate)
            {
                foreach (RedisPartition partition in Partitions.Where(IsRead))
                {
                    partition.ToldFrom = Math.Max(partition.ToldFrom, partition.Position);
                    partition.Rewind(Math.Max(partition.Low, partition.Start));
                }
            }
        }

        if (_nextDue <= _store.Now)
        {
            _nextDue = null;
            foreach (RedisPartition partition in Partitions.Where(IsRead))
            {
                await LoadDueAsync(partition);
            }
        }

        await NoteLeftAsync();
    }

    /// <summary>Notes what the lane had no room for. What a lost connection interrupts is noted again before anything else happens: whoever looks for it there has to find it.</summary>
    private async Task NoteLeftAsync()
    {
        _leaving.RemoveAll(static left => left.Partition.Owner is null || left.Partition.Epoch != left.Epoch);
        await Task.WhenAll(_leaving.Select(left => LeaveOnServerAsync(left.Partition, left.Message, left.Why)));
        _leaving.Clear();
    }

    /// <summary>Does what was asked for until now. What a lost connection interrupts is asked for again: nobody else would.</summary>
    private static async Task EachAsync<T>(ConcurrentQueue<T> asked, Func<T, Task> serve)
    {
        for (int count = asked.Count; count > 0 && asked.TryDequeue(out T? one); count--)
        {
            try
            {
                await serve(one);
            }
            catch
            {
                asked.Enqueue(one);
                throw;
            }
        }
    }

    /// <summary>Notes on the server that a message is open and waits there.</summary>
    private async Task LeaveOnServerAsync(RedisPartition partition, OpenMessage message, Admission why)
    {
        byte[] id = BatchWriter.Bytes16(message.Envelope.Id);
        Task[] notes =
        [
            message.RowIsMarked ? Task.CompletedTask : CallAsync(new RespCommand("ZADD", _keys.Held(Name, partition.Number), message.Seq, id)),
            why is Admission.Follows ? CallAsync(new RespCommand("ZADD", _keys.Behind(Name, partition.Number), 0, RedisKeys.BehindOf(message.Envelope))) : Task.CompletedTask,
        ];
        if (why is Admission.Later && (message.DueAt ?? message.Envelope.NotBefore) is { } due)
        {
            RespValue added = await _client.CallAsync(new RespCommand("ZADD", _keys.Later(Name, partition.Number), due.ToUnixTimeMilliseconds(), id), _closing.Token);
            Interlocked.Add(ref _delayedThere, added.AsInteger());
            NoteDue(due);
        }

        await Task.WhenAll(notes);
        message.RowIsMarked = true;
    }

    private void NoteDue(DateTimeOffset due) => _nextDue = _nextDue < due ? _nextDue : due;

    private async Task LoadDueAsync(RedisPartition partition)
    {
        string later = _keys.Later(Name, partition.Number);
        while (IsRead(partition))
        {
            RespValue due = await _client.CallAsync(new RespCommand("ZRANGEBYSCORE", later, "-inf", _store.Now.ToUnixTimeMilliseconds(), "LIMIT", 0, LargestPage), _closing.Token);
            MessageId[] ids = [.. due.Items.Select(static id => MessageId.FromBytes(id.Bytes.Span))];
            foreach (OpenMessage message in await OpenAsync(partition, [.. ids.Where(id => !Open.ContainsKey(id))]))
            {
                // What reading has not come to yet is offered in its turn.
                if (message.Seq <= partition.Position && !Offer(partition, message))
                {
                    NoteDue(_store.Now + Again);
                    return;
                }
            }

            if (ids.Length > 0)
            {
                RespCommand gone = new("ZREM", later);
                foreach (MessageId id in ids)
                {
                    gone.Add(BatchWriter.Bytes16(id));
                }

                Interlocked.Add(ref _delayedThere, -(await _client.CallAsync(gone, _closing.Token)).AsInteger());
            }

            if (ids.Length < LargestPage)
            {
                break;
            }
        }

        RespValue next = await _client.CallAsync(new RespCommand("ZRANGE", later, 0, 0, "WITHSCORES"), _closing.Token);
        foreach ((_, long instant) in Scored(next))
        {
            NoteDue(DateTimeOffset.FromUnixTimeMilliseconds(instant));
        }
    }

    /// <summary>Brings the next messages of a key whose messages in memory have ended.</summary>
    private async Task FollowAsync(KeyChain chain)
    {
        if (!Lane.TakeStarving(chain))
        {
            return;
        }

        int room = Lane.FollowerRoom;
        RedisPartition partition = Partitions[_keys.PartitionOf(chain.Key)];
        byte[][] members = IsRead(partition) ? await BehindAsync(partition, chain.Key, room + 1) : [];
        OpenMessage[] followers = await Task.WhenAll(members.Select(async member => await ReadBehindAsync(partition, member))) is var read
            ? [.. read.OfType<OpenMessage>().Where(message => message.State == MessageState.Pending && message.Envelope.OrderKey == chain.Key)]
            : [];
        int taken = Math.Min(followers.Length, room);

        // Where as many were read as were asked for, there may be more behind them, also when some of them are here already or have ended.
        long? next = followers.Length > room ? followers[room].Seq : members.Length > room ? SeqOf(members[^1]) + 1 : null;
        Lane.Followed(chain, taken, next);
        foreach (OpenMessage message in followers.Take(taken))
        {
            message.RowIsMarked = true;
            Offer(partition, message, static (lane, message) => lane.AdmitFollower(message));
        }

        Lane.Rejoined(chain);
        RespCommand gone = new("ZREM", _keys.Behind(Name, partition.Number));
        foreach (byte[] member in members.Where(member => followers.Length <= room || SeqOf(member) < followers[room].Seq))
        {
            gone.Add(member);
        }

        if (gone.Count > 2)
        {
            await _client.CallAsync(gone, _closing.Token);
        }
    }

    private async Task<OpenMessage?> ReadBehindAsync(RedisPartition partition, byte[] member)
    {
        long seq = SeqOf(member);
        RespValue entry = await _client.CallAsync(new RespCommand("XRANGE", _keys.Stream(Name, partition.Number), seq, seq), _closing.Token);
        List<Envelope> envelopes = [.. MessageReader.Unpack(entry, OnDamage).Where(envelope => !Open.ContainsKey(envelope.Id))];
        return (await _messages.CompleteAsync(envelopes, _closing.Token)).FirstOrDefault();
    }

    private async Task<byte[][]> BehindAsync(RedisPartition partition, string key, int most)
    {
        (byte[] from, byte[] to) = BoundsOf(key);
        RespValue members = await _client.CallAsync(new RespCommand("ZRANGEBYLEX", _keys.Behind(Name, partition.Number), from, to, "LIMIT", 0, most), _closing.Token);
        return [.. members.Items.Select(static member => member.Bytes.ToArray())];
    }

    private async Task<long> CountBehindAsync(KeyChain chain)
    {
        (byte[] from, byte[] to) = BoundsOf(chain.Key);
        return (await _client.CallAsync(new RespCommand("ZLEXCOUNT", _keys.Behind(Name, _keys.PartitionOf(chain.Key)), from, to), _closing.Token)).AsInteger();
    }

    private static (byte[] From, byte[] To) BoundsOf(string key)
    {
        byte[] hash = RedisKeys.HashOf(key);
        return ([(byte)'[', .. hash], [(byte)'(', .. hash, 255, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    private static long SeqOf(byte[] member) => System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(member.AsSpan(16));

    private async Task LoadBodyAsync(OpenMessage message)
    {
        if (await _messages.ReadAsync(message.Envelope.Id, _closing.Token) is { } whole)
        {
            Lane.Loaded(message, whole.Envelope);
        }
    }

    private async Task CallAsync(RespCommand command) => await _client.CallAsync(command, _closing.Token);
}
