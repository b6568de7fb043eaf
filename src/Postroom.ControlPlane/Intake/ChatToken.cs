using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Postroom.ControlPlane;

/// <summary>
/// The token in the address of the web chat (EU-7): made from a token or secret of <c>/webhook</c>, so that it lasts as long as that does and
/// the link gives away neither.
/// </summary>
internal static class ChatToken
{
    // Slow on purpose: a link that somebody got must not be a way to guess a short secret.
    private const int Rounds = 200_000;

    private static readonly byte[] Purpose = "postroom web chat"u8.ToArray();

    /// <summary>The chat token of a secret: 43 characters that an address can hold as they are.</summary>
    public static string Of(string secret) => Base64Url.EncodeToString(Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(secret), Purpose, Rounds, HashAlgorithmName.SHA256, 32));
}
