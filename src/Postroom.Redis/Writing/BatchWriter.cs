namespace Postroom.Redis;

/// <summary>Writes operations as units of one batch, in the form that the script reads. Used by the writer's loop only.</summary>
internal sealed class BatchWriter(RedisKeys keys)
{
    private readonly List<RespArgument> _arguments = [];
    private int _unit;
    private int _checks;

    /// <summary>The bytes of the messages so far, roughly.</summary>
    public long Bytes { get; private set; }

    public bool IsEmpty => _arguments.Count == 0;

    public RedisKeys Keys => keys;

    public void Clear()
    {
        _arguments.Clear();
        Bytes = 0;
    }

    /// <summary>Begins a unit: what follows is done whole or not at all. All checks come before all commands.</summary>
    public void Begin()
    {
        _unit = _arguments.Count;
        _checks = 0;
        _arguments.Add(0);
        _arguments.Add(0);
    }

    public void End()
    {
        _arguments[_unit] = _arguments.Count - _unit;
        _arguments[_unit + 1] = _checks;
    }

    /// <summary>Takes a unit back that could not be completed.</summary>
    public void Drop() => _arguments.RemoveRange(_unit, _arguments.Count - _unit);

    /// <summary>The unit is refused unless a partition has this owner and epoch.</summary>
    public void CheckOwner(string queue, int partition, string owner) => Check("own", keys.Own(queue, partition), "", owner);

    /// <summary>The unit is refused unless a message is in a state.</summary>
    public void CheckState(MessageId id, MessageState state) => Check("state", keys.Ids(id), Bytes16(id), (long)state);

    /// <summary>Appends a message, unless its id or its dedup key is known.</summary>
    public void Append(Envelope envelope)
    {
        int partition = keys.PartitionOf(envelope);
        byte[] packed = PackedMessage.Write(envelope);
        Bytes += packed.Length;
        _arguments.Add("A");
        _arguments.Add(keys.Ids(envelope.Id));
        _arguments.Add(Bytes16(envelope.Id));
        _arguments.Add(keys.Stream(envelope.Queue, partition));
        _arguments.Add(packed);
        _arguments.Add(MessagePlace.NewTail(partition, envelope.Queue));
        _arguments.Add(envelope.DedupKey is { } dedup ? keys.Dedup(envelope.Queue, dedup) : "");
        _arguments.Add(envelope.DedupKey is null ? "" : Storage.MessageContent.HashOf(envelope));
        _arguments.Add(RedisKeys.Count(envelope.Queue, MessageState.Pending));
        _arguments.Add(envelope.ParentId is { } parent ? keys.Kin(parent) : "");
        _arguments.Add(envelope.GroupId is { } group ? keys.Kin(group) : "");
        _arguments.Add(RedisKeys.CountOfType(envelope.Queue, envelope.Type));
        bool counts = CountsKey(envelope);
        _arguments.Add(counts ? keys.KeyCounts(envelope.Queue, partition) : "");
        _arguments.Add(counts ? RedisKeys.HashOf(envelope.OrderKey!) : "");
    }

    /// <summary>Counts a message in or out of the open ones of its type and of its key.</summary>
    public void CountOpen(Envelope envelope, long delta)
    {
        _arguments.Add("C");
        _arguments.Add(RedisKeys.CountOfType(envelope.Queue, envelope.Type));
        _arguments.Add(delta);
        if (CountsKey(envelope))
        {
            _arguments.Add("K");
            _arguments.Add(keys.KeyCounts(envelope.Queue, keys.PartitionOf(envelope)));
            _arguments.Add(RedisKeys.HashOf(envelope.OrderKey!));
            _arguments.Add(delta);
        }
    }

    /// <summary>Most messages begin a key and have it to themselves; whoever counts such a key looks at that message itself.</summary>
    private static bool CountsKey(Envelope envelope) => !envelope.StartsKey && envelope.OrderKey is { Length: > 0 };

    /// <summary>Counts messages in or out of a state.</summary>
    public void Count(string queue, MessageState state, long delta)
    {
        _arguments.Add("C");
        _arguments.Add(RedisKeys.Count(queue, state));
        _arguments.Add(delta);
    }

    /// <summary>Runs a command.</summary>
    public void Run(params ReadOnlySpan<RespArgument> command)
    {
        _arguments.Add(command.Length);
        _arguments.AddRange(command);
    }

    /// <summary>The call of the script.</summary>
    public RespCommand ToCommand(RedisScript script, string node, long number, DateTimeOffset now)
    {
        RespCommand command = script.Begin(keys.Root).Add(node).Add(number).Add(now.ToUnixTimeMilliseconds());
        foreach (RespArgument argument in _arguments)
        {
            command.Add(argument);
        }

        return command;
    }

    /// <summary>An id as a field.</summary>
    public static byte[] Bytes16(MessageId id)
    {
        byte[] bytes = new byte[16];
        id.WriteBytes(bytes);
        return bytes;
    }

    private void Check(string kind, string key, RespArgument field, RespArgument expected)
    {
        _arguments.Add(kind);
        _arguments.Add(key);
        _arguments.Add(field);
        _arguments.Add(expected);
        _checks++;
    }
}
