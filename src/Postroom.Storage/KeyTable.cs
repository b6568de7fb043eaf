using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Postroom.Storage;

/// <summary>The order keys that something of is in memory, or that a message on disk holds. Guarded by its lane's lock.</summary>
/// <remarks>
/// A key whose head waits on disk, with nothing of it in memory, rests as about 50 bytes under a hash of its name: a service that is down for a
/// day holds a million of them. Two names with the same half of a SHA-256 are not to be found.
/// </remarks>
internal sealed class KeyTable
{
    private readonly Dictionary<string, KeyChain> _chains = new(StringComparer.Ordinal);
    private readonly Dictionary<UInt128, Resting> _resting = [];

    /// <summary>The chain of a key; null when nothing of it is known. Hand it to <see cref="Rest"/> when done.</summary>
    public KeyChain? Find(string key)
    {
        return _chains.TryGetValue(key, out KeyChain? chain) ? chain : _resting.Count > 0 ? Wake(key) : null;
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
            _resting[Hash(chain.Key)] = new Resting(chain.HeldSeq, chain.CountedTo, chain.CountedAsBlocked, chain.IsCounted);
        }
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

    private static UInt128 Hash(string key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(key.AsSpan()), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    private readonly record struct Resting(long HeldSeq, long CountedTo, int Followers, bool IsCounted);
}
