using System.Security.Cryptography;
using System.Text;

namespace Postroom.Storage;

/// <summary>The limits of one queue (QU-5): how many messages of a key are with workers at a time, and how many begin per period. Guarded by its lane's lock.</summary>
/// <remarks>
/// A message that may not go yet waits at the first key that keeps it, so that whatever is behind it in the queue goes before it. A key that
/// has room again hands out its oldest. A bucket begins empty when the lane does; a key that nobody has seen since has what flowed in meanwhile.
/// </remarks>
internal sealed class LaneLimits
{
    /// <summary>Keys that are remembered. Beyond, each new one makes room: of a few old ones those with full buckets are forgotten, or the one with the fullest, which begins again as if it had rested.</summary>
    public const int MostKeys = 100_000;

    /// <summary>Old keys that a new one looks at, at most; looking at all would hold the lane up for each of a flood of keys.</summary>
    public const int MostLooks = 32;

    // Enough to find the keys that have left by themselves, so that no more of them are in the rotation than are remembered.
    private const int LeastLooks = 2;

    private const int LongestKey = 64;

    private readonly IReadOnlyList<QueueLimit> _limits;
    private readonly TimeProvider _clock;
    private readonly long _begun;
    private readonly Dictionary<(int Limit, string Key), Gate> _gates = [];
    private readonly Queue<((int Limit, string Key) Key, Gate Gate)> _rotation = new();
    private readonly Queue<Gate> _freed = new();
    private readonly PriorityQueue<Gate, long> _refills = new();

    public LaneLimits(IReadOnlyList<QueueLimit> limits, TimeProvider clock)
    {
        _limits = limits;
        _clock = clock;
        _begun = clock.GetTimestamp();
    }

    /// <summary>How many keys are remembered; for tests.</summary>
    public int Keys => _gates.Count;

    /// <summary>Old keys that new ones have looked at so far; for tests.</summary>
    public long Looks { get; private set; }

    /// <summary>Messages that left where they waited by another way; they are dropped when their key comes to them, or when they are many.</summary>
    public int Stale { get; set; }

    /// <summary>When a key has its next token, on the provider's monotonic clock; null when no message waits for one.</summary>
    public long? NextRefill => _refills.TryPeek(out _, out long due) ? due : null;

    /// <summary>Whether these are the limits of rules.</summary>
    public bool Are(IReadOnlyList<QueueLimit> limits) => _limits.SequenceEqual(limits);

    /// <summary>Takes a slot and a token at every key of a message; false when one has none, or others wait there, and the message waits behind them.</summary>
    public bool TryEnter(OpenMessage message) => TryEnter(message, from: null);

    private bool TryEnter(OpenMessage message, Gate? from)
    {
        for (int i = 0; i < _limits.Count; i++)
        {
            if (GateOf(i, message) is { } gate && !(gate.HasRoom && (gate.Held.Count == 0 || ReferenceEquals(gate, from))))
            {
                gate.Held.Enqueue(message, message.Seq);
                Watch(gate);
                return false;
            }
        }

        Enter(message, withTokens: true);
        return true;
    }

    /// <summary>Counts a message that is with a worker although nobody asked: the limits came later.</summary>
    public void Enter(OpenMessage message, bool withTokens = false)
    {
        for (int i = 0; i < _limits.Count; i++)
        {
            if (GateOf(i, message) is { } gate)
            {
                gate.InUse++;
                if (withTokens)
                {
                    gate.Bucket?.Take();
                }
            }
        }

        message.IsWithinLimits = true;
    }

    /// <summary>Gives the slots of a message back; the tokens too when its attempt did not begin.</summary>
    public void Leave(OpenMessage message, bool unused)
    {
        message.IsWithinLimits = false;
        for (int i = 0; i < _limits.Count; i++)
        {
            if (KeyOf(i, message) is not { } key || !_gates.TryGetValue((i, key), out Gate? gate))
            {
                continue;
            }

            gate.InUse = Math.Max(0, gate.InUse - 1);
            if (unused)
            {
                gate.Bucket?.GiveBack();
            }

            Watch(gate);
            if (gate is { InUse: 0, Held.Count: 0, Bucket: null })
            {
                _gates.Remove((i, key));
            }
        }
    }

    /// <summary>The oldest message of a key that has room again, which has it now; null when there is none, or what is ready is older.</summary>
    /// <param name="ready">The number of the oldest message that is ready.</param>
    public OpenMessage? TakeFreed(long ready)
    {
        while (_freed.TryPeek(out Gate? gate))
        {
            while (gate.HasRoom && gate.Held.TryPeek(out OpenMessage? message, out long seq))
            {
                if (seq > ready)
                {
                    return null;
                }

                gate.Held.Dequeue();
                if (message.Place != Place.Limited)
                {
                    Stale = Math.Max(0, Stale - 1);
                }
                else if (TryEnter(message, from: gate))
                {
                    return message;
                }
            }

            _freed.Dequeue();
            gate.IsFreed = false;
            Watch(gate);
        }

        return null;
    }

    /// <summary>The limit at which a message waits.</summary>
    public LimitWait? Find(OpenMessage message)
    {
        for (int i = 0; i < _limits.Count; i++)
        {
            if (KeyOf(i, message) is not { } key || !_gates.TryGetValue((i, key), out Gate? gate) || !gate.Held.UnorderedItems.Any(held => ReferenceEquals(held.Element, message)))
            {
                continue;
            }

            int ahead = gate.Held.UnorderedItems.Count(held => held.Priority < message.Seq && held.Element.Place == Place.Limited);
            DateTimeOffset? until = gate is { HasSlot: true, Bucket: { } bucket } && _limits[i].Rate is { } rate ? _clock.GetUtcNow() + bucket.Wait + (ahead * (rate.Period / rate.Count)) : null;
            return new LimitWait(_limits[i], key, ahead, until);
        }

        return null;
    }

    /// <summary>Frees the keys whose next token has come.</summary>
    public void Refill(long now)
    {
        while (_refills.TryPeek(out Gate? gate, out long due) && due <= now)
        {
            _refills.Dequeue();
            gate.IsWatched = false;
            Watch(gate);
        }
    }

    /// <summary>Drops what has left once it is the larger part: with a rate of one a day it would be kept for as many days.</summary>
    public void Tidy(int waiting)
    {
        if (Stale <= (4L * waiting) + 1_024)
        {
            return;
        }

        foreach (Gate gate in _gates.Values)
        {
            (OpenMessage, long)[] kept = [.. gate.Held.UnorderedItems.Where(static held => held.Element.Place == Place.Limited)];
            gate.Held.Clear();
            gate.Held.EnqueueRange(kept);
        }

        Stale = 0;
    }

    private void Free(Gate gate)
    {
        if (gate is { IsFreed: false, Held.Count: > 0, HasRoom: true })
        {
            gate.IsFreed = true;
            _freed.Enqueue(gate);
        }
    }

    /// <summary>Frees a key that has room, or notes when its next token comes, if that is what its messages wait for.</summary>
    private void Watch(Gate gate)
    {
        if (gate is { IsWatched: false, Held.Count: > 0, HasSlot: true, Bucket: { } bucket } && bucket.Wait is { Ticks: > 0 } wait)
        {
            gate.IsWatched = true;
            _refills.Enqueue(gate, _clock.GetTimestamp() + (long)Math.Ceiling(wait.TotalSeconds * _clock.TimestampFrequency));
        }
        else
        {
            Free(gate);
        }
    }

    private Gate? GateOf(int limit, OpenMessage message)
    {
        if (KeyOf(limit, message) is not { } key)
        {
            return null;
        }

        if (!_gates.TryGetValue((limit, key), out Gate? gate))
        {
            MakeRoom();
            QueueLimit of = _limits[limit];
            _gates[(limit, key)] = gate = new Gate(of.Concurrency ?? int.MaxValue, of.Rate is { } rate ? new TokenBucket(rate, rate.Count, 0, _clock, _begun) : null);
            _rotation.Enqueue(((limit, key), gate));
        }

        return gate;
    }

    private string? KeyOf(int limit, OpenMessage message)
    {
        string? key = _limits[limit].Key.ValueOf(message.Envelope);
        return key?.Length > LongestKey ? Shorten(key) : key;
    }

    private static string Shorten(string key) => $"#{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)))}";

    private void MakeRoom()
    {
        ((int Limit, string Key) Key, double Level)? fullest = null;
        int looks = Math.Min(_rotation.Count, _gates.Count < MostKeys ? LeastLooks : MostLooks);
        for (int i = 0; i < looks; i++)
        {
            Looks++;
            ((int Limit, string Key) key, Gate gate) = _rotation.Dequeue();
            if (!_gates.TryGetValue(key, out Gate? known) || !ReferenceEquals(known, gate))
            {
                continue; // It has left.
            }

            if (_gates.Count >= MostKeys && gate.IsIdle)
            {
                if (gate.Bucket is not { IsFull: false } bucket)
                {
                    _gates.Remove(key);
                    continue;
                }

                fullest = fullest is { } found && found.Level >= bucket.Level ? found : (key, bucket.Level);
            }

            _rotation.Enqueue((key, gate));
        }

        if (fullest is { } best && _gates.Count >= MostKeys)
        {
            _gates.Remove(best.Key);
        }
    }

    /// <summary>One key of one limit.</summary>
    private sealed class Gate(int concurrency, TokenBucket? bucket)
    {
        public TokenBucket? Bucket { get; } = bucket;

        /// <summary>Messages of the key that are with workers, or on their way there.</summary>
        public int InUse { get; set; }

        /// <summary>Messages that wait here, oldest first.</summary>
        public PriorityQueue<OpenMessage, long> Held { get; } = new();

        /// <summary>Whether it waits for a worker to take what it has room for.</summary>
        public bool IsFreed { get; set; }

        /// <summary>Whether its next token is waited for.</summary>
        public bool IsWatched { get; set; }

        /// <summary>Whether nothing is under way or waits here.</summary>
        public bool IsIdle => InUse == 0 && Held.Count == 0 && !IsWatched && !IsFreed;

        public bool HasSlot => InUse < concurrency;

        public bool HasRoom => HasSlot && (Bucket is null || Bucket.Wait == TimeSpan.Zero);
    }
}
