using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Postroom.Storage;

/// <summary>The order keys that something of is in memory, or that a message on disk holds. Guarded by its lane's lock.</summary>
/// <remarks>
/// A key whose head waits on disk, with nothing of it in memory, rests as about 50 bytes under a hash of its name: a service that is down for a
/// day holds a million of them. Two names with the same half of a SHA-256 are not to be found.
/// </remarks>
internal sealed class KeyTable(Func<string, int>? partOf = null)
{
    private readonly Dictionary<string, KeyChain> _chains = new(StringComparer.Ordinal);
    private readonly Dictionary<UInt128, Resting> _resting = [];

    // Messages that begin a key and have it to themselves: they need no chain until somebody else comes with that key, or they do not simply end.
    private readonly Dictionary<MessageId, OpenMessage> _single = [];

    /// <summary>The chain of a key; null when nothing of it is known. Hand it to <see cref="Rest"/> when done.</summary>
    public KeyChain? Find(string key)
    {
        return _chains.TryGetValue(key, out KeyChain? chain) ? chain
            : (_resting.Count > 0 ? Wake(key) : null) ?? (_single.Count > 0 ? Join(key) : null);
    }

    /// <summary>Lets a message be alone with the key it begins; false when the key is known.</summary>
    public bool TryBeAlone(OpenMessage message)
    {
        if (!CanBeAlone(message))
        {
            return false;
        }

        _single[message.Envelope.Id] = message;
        return true;
    }

    /// <summary>Whether a message begins a key that nothing is known of.</summary>
    public bool CanBeAlone(OpenMessage message)
    {
        if (!message.Envelope.StartsKey)
        {
            return false;
        }

        if (_chains.Count == 0 && _resting.Count == 0)
        {
            return true;
        }

        Span<char> key = stackalloc char[MessageId.TextLength];
        _ = message.Envelope.Id.TryFormat(key, out _, default, null);
        return !_chains.GetAlternateLookup<ReadOnlySpan<char>>().ContainsKey(key) && (_resting.Count == 0 || !_resting.ContainsKey(Hash(key)));
    }

    /// <summary>A message that was alone with its key has ended.</summary>
    public void Ended(OpenMessage message)
    {
        if (message.Chain is null && message.Envelope.StartsKey)
        {
            _single.Remove(message.Envelope.Id);
        }
    }

    /// <summary>The chain of a message, made now when it was alone with its key; null for an unordered message, or one that has none.</summary>
    public KeyChain? ChainOf(OpenMessage message)
    {
        return message.Chain is null && message.Envelope.StartsKey && _single.Remove(message.Envelope.Id) ? Chain(message) : message.Chain;
    }


    /// <summary>The chain of a key, made when there is none.</summary>
    public KeyChain GetOrAdd(string key)
    {
        if (Find(key) is not { } chain)
        {
            _chains.Add(key, chain = new KeyChain(key));
        }

        return chain;
    }

    /// <summary>Whether this is the chain of its key, and not one that was dropped while somebody still had it.</summary>
    public bool IsCurrent(KeyChain chain) => _chains.TryGetValue(chain.Key, out KeyChain? current) && ReferenceEquals(current, chain);

    /// <summary>Drops a chain that is empty, and lays one to rest of which only the store has messages.</summary>
    public void Rest(KeyChain chain)
    {
        if (!chain.IsEmpty && !chain.CanRest)
        {
            return;
        }

        _chains.Remove(chain.Key);
        if (!chain.IsEmpty)
        {
            _resting[Hash(chain.Key)] = new Resting(chain.HeldSeq, chain.CountedTo, chain.CountedAsBlocked, chain.IsCounted, partOf?.Invoke(chain.Key) ?? 0);
        }
    }

    /// <summary>Forgets the keys of a part; of those that have messages with a worker, all but these.</summary>
    /// <returns>For each, how many of its followers were counted as blocked.</returns>
    public List<int> Forget(int part)
    {
        List<int> counted = [];
        foreach ((string key, KeyChain chain) in _chains.Where(pair => partOf?.Invoke(pair.Key) == part).ToArray())
        {
            counted.Add(chain.CountedAsBlocked);
            chain.Forget();
            if (chain.IsEmpty)
            {
                _chains.Remove(key);
            }
        }

        foreach ((UInt128 hash, Resting resting) in _resting.Where(pair => pair.Value.Part == part).ToArray())
        {
            counted.Add(resting.Followers);
            _resting.Remove(hash);
        }

        return counted;
    }

    private KeyChain? Wake(string key)
    {
        if (!_resting.Remove(Hash(key), out Resting resting))
        {
            return null;
        }

        KeyChain chain = new(key)
        {
            HeldSeq = resting.HeldSeq,
            OnDisk = resting.Followers,
            OnDiskFrom = resting.Followers == 0 ? long.MaxValue : resting.HeldSeq + 1,
            CountedTo = resting.CountedTo,
            CountedAsBlocked = resting.Followers,
            IsCounted = resting.IsCounted,
        };
        _chains.Add(key, chain);
        return chain;
    }

    private KeyChain? Join(string key)
    {
        return MessageId.TryParse(key, out MessageId id) && _single.TryGetValue(id, out OpenMessage? first) && first.Envelope.OrderKey == key && _single.Remove(id)
            ? Chain(first)
            : null;
    }

    private KeyChain Chain(OpenMessage message)
    {
        KeyChain chain = new(message.Envelope.OrderKey!);
        _chains.Add(chain.Key, chain);
        chain.Insert(message);
        chain.Leased = message.Place is Place.Leased or Place.Settling ? message : null;
        chain.Elected = message.Place is Place.Ready or Place.Loading or Place.Limited ? message : null;
        return chain;
    }

    private static UInt128 Hash(ReadOnlySpan<char> key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(key), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    private readonly record struct Resting(long HeldSeq, long CountedTo, int Followers, bool IsCounted, int Part);
}
