using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Postroom.ControlPlane;

/// <summary>How a caller proves that it knows the secret of a webhook (WH-7).</summary>
internal enum SignatureScheme
{
    /// <summary>HMAC-SHA256 of the raw body in lower-case hex, as Meta and GitHub send it.</summary>
    HmacSha256Hex,

    /// <summary>HMAC-SHA256 of the raw body in base64.</summary>
    HmacSha256Base64,

    /// <summary>HMAC-SHA256 of <c>{t}.{body}</c>, sent as <c>t=…,v1=…</c>; an old copy of a request is refused.</summary>
    Timestamped,

    /// <summary>The secret itself.</summary>
    Token,
}

/// <summary>What a signature is worth.</summary>
internal enum SignatureVerdict
{
    /// <summary>It is missing, malformed, or of another secret or body.</summary>
    Wrong,

    /// <summary>It is right, but made too long ago or ahead of time: a copy, or a clock that is wrong.</summary>
    Untimely,

    /// <summary>It is right.</summary>
    Valid,
}

/// <summary>Verifies the signature header of one webhook. Safe for concurrent use.</summary>
/// <remarks>
/// Every active secret is tried, and each comparison takes the same time whatever the outcome, so timing tells neither
/// how much of a guess was right nor which secret matched. The header must be there exactly once, in exactly one form.
/// </remarks>
internal sealed class WebhookSignature
{
    /// <summary>The header of the <c>timestamped</c> scheme.</summary>
    public const string TimestampedHeader = "X-Postroom-Signature";

    /// <summary>How far the signed time may be from now, both ways, unless set.</summary>
    public static readonly TimeSpan DefaultTolerance = TimeSpan.FromMinutes(5);

    private static readonly SearchValues<char> LowerHex = SearchValues.Create("0123456789abcdef");

    private readonly SignatureScheme _scheme;
    private readonly string _header;
    private readonly string _prefix;
    private readonly byte[][] _secrets;
    private readonly TimeSpan _tolerance;
    private readonly TimeProvider _clock;

    /// <summary>Prepares a check.</summary>
    /// <param name="scheme">What the header holds.</param>
    /// <param name="header">The name of the header.</param>
    /// <param name="secrets">The active secrets; at least one, none of them empty.</param>
    /// <param name="clock">Judges the signed time.</param>
    /// <param name="prefix">A fixed text before the value, such as <c>sha256=</c>; empty for none.</param>
    /// <param name="tolerance">Both ways; null means <see cref="DefaultTolerance"/>.</param>
    public WebhookSignature(
        SignatureScheme scheme, string header, IReadOnlyCollection<string> secrets, TimeProvider clock, string prefix = "", TimeSpan? tolerance = null)
    {
        if (secrets.Count == 0 || secrets.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException($"Header '{header}' needs at least one secret, and none may be empty: an empty secret signs everything.", nameof(secrets));
        }

        _scheme = scheme;
        _header = header;
        _prefix = prefix;
        _secrets = [.. secrets.Select(Encoding.UTF8.GetBytes)];
        _tolerance = tolerance ?? DefaultTolerance;
        _clock = clock;
    }

    /// <summary>True when the request carries a valid signature of exactly this body.</summary>
    /// <param name="headers">The request's headers.</param>
    /// <param name="body">The bytes as received, before any parsing.</param>
    public bool Verify(IHeaderDictionary headers, ReadOnlySpan<byte> body) => Judge(headers, body) == SignatureVerdict.Valid;

    /// <summary>What the request's signature of exactly this body is worth.</summary>
    /// <param name="headers">The request's headers.</param>
    /// <param name="body">The bytes as received, before any parsing.</param>
    public SignatureVerdict Judge(IHeaderDictionary headers, ReadOnlySpan<byte> body)
    {
        StringValues values = headers[_header];
        if (values.Count != 1 || values[0] is not { Length: > 0 } value || !value.StartsWith(_prefix, StringComparison.Ordinal))
        {
            return SignatureVerdict.Wrong;
        }

        value = value[_prefix.Length..];
        return _scheme switch
        {
            SignatureScheme.HmacSha256Hex => Of(TryHex(value, out byte[] given) && AnySecretSigns(given, [], body)),
            SignatureScheme.HmacSha256Base64 => Of(TryBase64(value, out byte[] given) && AnySecretSigns(given, [], body)),
            SignatureScheme.Timestamped => JudgeTimestamped(value, body),
            SignatureScheme.Token => Of(AnySecretEquals(value)),
            _ => SignatureVerdict.Wrong,
        };
    }

    private static SignatureVerdict Of(bool right) => right ? SignatureVerdict.Valid : SignatureVerdict.Wrong;

    private SignatureVerdict JudgeTimestamped(string value, ReadOnlySpan<byte> body)
    {
        string[] parts = value.Split(',');
        if (parts.Length != 2 || !parts[0].StartsWith("t=", StringComparison.Ordinal) || !parts[1].StartsWith("v1=", StringComparison.Ordinal))
        {
            return SignatureVerdict.Wrong;
        }

        string signedAt = parts[0][2..];
        if (signedAt.Length is 0 or > 11
            || !long.TryParse(signedAt, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
            || !TryHex(parts[1][3..], out byte[] given))
        {
            return SignatureVerdict.Wrong;
        }

        bool signed = AnySecretSigns(given, Encoding.ASCII.GetBytes(signedAt + "."), body);
        TimeSpan away = _clock.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(seconds);
        return !signed ? SignatureVerdict.Wrong : away.Duration() <= _tolerance ? SignatureVerdict.Valid : SignatureVerdict.Untimely;
    }

    private bool AnySecretSigns(ReadOnlySpan<byte> given, ReadOnlySpan<byte> before, ReadOnlySpan<byte> body)
    {
        bool any = false;
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        foreach (byte[] secret in _secrets)
        {
            using IncrementalHash hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);
            hash.AppendData(before);
            hash.AppendData(body);
            hash.GetHashAndReset(expected);
            any |= CryptographicOperations.FixedTimeEquals(given, expected);
        }

        return any;
    }

    private bool AnySecretEquals(string value)
    {
        bool any = false;
        byte[] given = Encoding.UTF8.GetBytes(value);
        foreach (byte[] secret in _secrets)
        {
            any |= FixedTime.Equal(given, secret);
        }

        return any;
    }

    // Upper case is refused: one signature has one spelling, so a copy cannot pass a filter in another one.
    private static bool TryHex(string value, out byte[] bytes)
    {
        bytes = [];
        if (value.Length != HMACSHA256.HashSizeInBytes * 2 || value.AsSpan().ContainsAnyExcept(LowerHex))
        {
            return false;
        }

        bytes = Convert.FromHexString(value);
        return true;
    }

    private static bool TryBase64(string value, out byte[] bytes)
    {
        bytes = new byte[HMACSHA256.HashSizeInBytes];
        return value.Length == 44
            && Convert.TryFromBase64String(value, bytes, out int written)
            && written == bytes.Length
            && Convert.ToBase64String(bytes) == value;
    }
}
