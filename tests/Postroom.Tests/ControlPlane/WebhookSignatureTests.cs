using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class WebhookSignatureTests
{
    private const string Header = "X-Hub-Signature-256";
    private const string Secret = "It's a Secret to Everybody";

    // The vector GitHub publishes for its webhooks.
    private const string KnownHex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    private static readonly byte[] Body = "Hello, World!"u8.ToArray();

    private readonly SteppedClock _clock = new();

    [Fact]
    public void The_published_vector_is_accepted() => Assert.True(Hex().Verify(With(Header, $"sha256={KnownHex}"), Body));

    [Theory]
    [InlineData("")]
    [InlineData("sha256=")]
    [InlineData(KnownHex)]
    [InlineData("sha1=" + KnownHex)]
    [InlineData("SHA256=" + KnownHex)]
    [InlineData("sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17")]
    [InlineData("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e16")]
    [InlineData("sha256=757107ea0eb2509fc211221cce984b8a")]
    [InlineData("sha256= " + KnownHex)]
    [InlineData("sha256=" + KnownHex + "00")]
    [InlineData("sha256=" + KnownHex + ",sha256=" + KnownHex)]
    [InlineData("sha256=z57107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")]
    public void A_malformed_or_different_value_is_refused(string value) => Assert.False(Hex().Verify(With(Header, value), Body));

    [Fact]
    public void A_missing_or_repeated_header_is_refused()
    {
        Assert.False(Hex().Verify(new HeaderDictionary(), Body));
        Assert.False(Hex().Verify(With(Header, $"sha256={KnownHex}", $"sha256={KnownHex}"), Body));
        Assert.False(Hex().Verify(With("X-Hub-Signature", $"sha256={KnownHex}"), Body));
    }

    [Fact]
    public void Any_bit_of_the_body_matters_and_so_does_its_spelling()
    {
        byte[] json = "{\"a\": 1}"u8.ToArray();
        IHeaderDictionary headers = With(Header, "sha256=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), json)));

        Assert.True(Hex().Verify(headers, json));
        Assert.False(Hex().Verify(headers, "{\"a\":1}"u8));
        Assert.False(Hex().Verify(headers, []));
        for (int bit = 0; bit < json.Length * 8; bit++)
        {
            byte[] changed = [.. json];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Hex().Verify(headers, changed));
        }
    }

    [Fact]
    public void During_a_rotation_the_old_and_the_new_secret_work_and_afterwards_only_the_new_one()
    {
        IHeaderDictionary old = With(Header, $"sha256={KnownHex}");

        Assert.True(new WebhookSignature(SignatureScheme.HmacSha256Hex, Header, ["new", Secret], _clock, "sha256=").Verify(old, Body));
        Assert.True(new WebhookSignature(SignatureScheme.HmacSha256Hex, Header, [Secret, "new"], _clock, "sha256=").Verify(old, Body));
        Assert.False(new WebhookSignature(SignatureScheme.HmacSha256Hex, Header, ["new"], _clock, "sha256=").Verify(old, Body));
    }

    [Fact]
    public void Base64_is_accepted_in_its_one_canonical_form()
    {
        WebhookSignature signature = new(SignatureScheme.HmacSha256Base64, "X-Signature", [Secret], _clock);
        string value = Convert.ToBase64String(Convert.FromHexString(KnownHex));

        Assert.True(signature.Verify(With("X-Signature", value), Body));
        Assert.False(signature.Verify(With("X-Signature", value.TrimEnd('=')), Body));
        Assert.False(signature.Verify(With("X-Signature", value[..20] + " " + value[20..]), Body));
        Assert.False(signature.Verify(With("X-Signature", KnownHex), Body));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(300, true)]
    [InlineData(-300, true)]
    [InlineData(301, false)]
    [InlineData(-301, false)]
    public void A_signed_time_is_accepted_within_five_minutes_both_ways(int seconds, bool accepted)
    {
        string signedAt = (_clock.GetUtcNow().ToUnixTimeSeconds() + seconds).ToString(CultureInfo.InvariantCulture);

        Assert.Equal(accepted, Timestamped().Verify(With(WebhookSignature.TimestampedHeader, Sign(signedAt)), Body));
    }

    [Fact]
    public void The_time_is_part_of_what_is_signed()
    {
        long now = _clock.GetUtcNow().ToUnixTimeSeconds();
        string signed = Sign(now.ToString(CultureInfo.InvariantCulture));
        string moved = signed.Replace($"t={now}", $"t={now + 1}", StringComparison.Ordinal);

        Assert.False(Timestamped().Verify(With(WebhookSignature.TimestampedHeader, moved), Body));
    }

    [Theory]
    [InlineData("t=,v1={0}")]
    [InlineData("t=-1,v1={0}")]
    [InlineData("t=99999999999999999999,v1={0}")]
    [InlineData("v1={0}")]
    [InlineData("v1={0},t=1")]
    [InlineData("t=1,t=1,v1={0}")]
    [InlineData("t=1,v1={0},v1={0}")]
    [InlineData("t=1, v1={0}")]
    [InlineData("t=1")]
    public void A_malformed_timestamped_value_is_refused(string form)
    {
        string value = string.Format(CultureInfo.InvariantCulture, form, KnownHex);

        Assert.False(Timestamped().Verify(With(WebhookSignature.TimestampedHeader, value), Body));
    }

    [Theory]
    [InlineData("correct", true)]
    [InlineData("Correct", false)]
    [InlineData("correc", false)]
    [InlineData("correct ", false)]
    [InlineData("", false)]
    public void A_token_is_compared_whole(string value, bool accepted)
    {
        WebhookSignature signature = new(SignatureScheme.Token, "X-Postroom-Token", ["other", "correct"], _clock);

        Assert.Equal(accepted, signature.Verify(With("X-Postroom-Token", value), Body));
    }

    [Fact]
    public void An_empty_secret_is_refused_at_configuration()
    {
        Assert.Throws<ArgumentException>(() => new WebhookSignature(SignatureScheme.Token, "X-Token", [], _clock));
        Assert.Throws<ArgumentException>(() => new WebhookSignature(SignatureScheme.Token, "X-Token", ["good", ""], _clock));
    }

    private static HeaderDictionary With(string header, params string[] values) => new() { [header] = values };

    private static string Sign(string signedAt)
    {
        byte[] signed = [.. Encoding.ASCII.GetBytes(signedAt), (byte)'.', .. Body];
        return $"t={signedAt},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), signed))}";
    }

    private WebhookSignature Hex() => new(SignatureScheme.HmacSha256Hex, Header, [Secret], _clock, "sha256=");

    private WebhookSignature Timestamped() => new(SignatureScheme.Timestamped, WebhookSignature.TimestampedHeader, [Secret], _clock);
}
