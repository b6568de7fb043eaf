using System.Security.Cryptography;

namespace Postroom.ControlPlane;

/// <summary>Compares secrets in a time that tells neither their content nor their length.</summary>
internal static class FixedTime
{
    /// <summary>True when both are the same bytes. The hashes are compared, so that a wrong length takes as long as a wrong last byte.</summary>
    public static bool Equal(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Span<byte> rightHash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(right, rightHash);
        return EqualHash(left, rightHash);
    }

    /// <summary>The same where the SHA-256 of one side is known: for a secret that many requests are compared with.</summary>
    public static bool EqualHash(ReadOnlySpan<byte> left, ReadOnlySpan<byte> rightHash)
    {
        Span<byte> leftHash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(left, leftHash);
        return CryptographicOperations.FixedTimeEquals(leftHash, rightHash);
    }
}
