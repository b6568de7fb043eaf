using System.Security.Cryptography;

namespace Postroom.ControlPlane;

/// <summary>Compares secrets in a time that tells neither their content nor their length.</summary>
internal static class FixedTime
{
    /// <summary>True when both are the same bytes. The hashes are compared, so that a wrong length takes as long as a wrong last byte.</summary>
    public static bool Equal(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Span<byte> leftHash = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> rightHash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(left, leftHash);
        SHA256.HashData(right, rightHash);
        return CryptographicOperations.FixedTimeEquals(leftHash, rightHash);
    }
}
