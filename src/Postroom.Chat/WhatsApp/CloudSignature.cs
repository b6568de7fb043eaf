using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Postroom.Chat;

/// <summary>Tells whether a request is Meta's (WA-8, WA-9). Every comparison takes the same time however much of a guess is right.</summary>
internal static class CloudSignature
{
    /// <summary>The header of the signature: <c>sha256=</c> and the HMAC-SHA256 of the raw body in lower-case hex.</summary>
    public const string Header = "X-Hub-Signature-256";

    private const string Prefix = "sha256=";

    private static readonly SearchValues<char> LowerHex = SearchValues.Create("0123456789abcdef");

    /// <summary>Whether the header is the one signature of the body, in the one form that Meta writes.</summary>
    /// <param name="secret">The app's secret, during a rotation several; not empty. All are tried, so that the time does not tell which one it was.</param>
    /// <param name="header">The header; null when it was not sent. A repeated one, joined with a comma, is refused.</param>
    /// <param name="body">The raw body.</param>
    public static bool IsValid(Secret secret, string? header, ReadOnlySpan<byte> body)
    {
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Span<byte> given = stackalloc byte[HMACSHA256.HashSizeInBytes];
        bool formed = header is not null && header.Length == Prefix.Length + (2 * given.Length)
            && header.StartsWith(Prefix, StringComparison.Ordinal)
            && !header.AsSpan(Prefix.Length).ContainsAnyExcept(LowerHex)
            && Convert.FromHexString(header.AsSpan(Prefix.Length), given, out _, out _) == OperationStatus.Done;
        bool signed = false;
        foreach (string one in secret.RevealAll())
        {
            HMACSHA256.HashData(Encoding.UTF8.GetBytes(one), body, expected);
            signed |= CryptographicOperations.FixedTimeEquals(expected, given);
        }

        return signed && formed;
    }

    /// <summary>Whether a word is the secret; hashes are compared, so that not even the length is told.</summary>
    public static bool IsWord(Secret secret, string? word) =>
        CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(secret.Reveal())), SHA256.HashData(Encoding.UTF8.GetBytes(word ?? "")));
}
