using System.Text;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class RedactorTests
{
    private readonly Redactor _redactor = new();

    [Theory]
    [InlineData("Authorization: Bearer abc.def.ghi", "abc")]
    [InlineData("Proxy-Authorization: Digest username=\"x\", response=\"canary\"", "canary")]
    [InlineData("{\"Authorization\":\"Basic Y2FuYXJ5\"}", "Y2FuYXJ5")]
    [InlineData("{\\\"authorization\\\": \\\"Basic Y2FuYXJ5\\\"}", "Y2FuYXJ5")]
    [InlineData("Set-Cookie: postroom_session=canary; HttpOnly", "canary")]
    [InlineData("cookie=canary", "canary")]
    [InlineData("sent with bearer canary1234", "canary")]
    [InlineData("X-Telegram-Bot-Api-Secret-Token: canary", "canary")]
    [InlineData("GET https://api.telegram.org/bot123456:ABC-def_1/getMe", "ABC")]
    [InlineData("token 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0 refused", "AAHdq")]
    [InlineData("redis://user:canary@redis:6379", "canary")]
    [InlineData("rediss://:can@ry@redis", "ry@")]
    [InlineData("key pr_0123456789012345678901234567890123456789012 used", "0123")]
    public void What_looks_like_a_secret_is_masked(string text, string secret)
    {
        string masked = _redactor.Redact(text);

        Assert.DoesNotContain(secret, masked, StringComparison.Ordinal);
        Assert.Contains("***", masked, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Message 0198f2 was settled")]
    [InlineData("http://127.0.0.1:8080/ui/ is ready")]
    [InlineData("mail.example.org:587 refused a@example.org")]
    [InlineData("the robot is about to send")]
    [InlineData("")]
    public void What_holds_no_secret_is_left_alone(string text) => Assert.Same(text.Length == 0 ? "" : text, _redactor.Redact(text));

    [Fact]
    public void A_known_secret_is_masked_in_every_form_it_is_sent_in()
    {
        const string Secret = "can/ary \"ü\" +1";
        _redactor.AddSecret(Secret);

        string base64 = Convert.ToBase64String(Encoding.UTF8.GetBytes(Secret));
        foreach (string form in new[] { Secret, Uri.EscapeDataString(Secret), System.Text.Json.JsonSerializer.Serialize(Secret).Trim('"'), base64 })
        {
            Assert.Equal("a *** b", _redactor.Redact($"a {form} b"));
        }
    }

    [Fact]
    public void The_longest_of_two_overlapping_secrets_is_masked_whole()
    {
        _redactor.AddSecret("abcd");
        _redactor.AddSecret("abcdefgh");

        Assert.Equal("x *** y *** z", _redactor.Redact("x abcdefgh y abcd z"));
    }

    [Fact]
    public void A_configured_pattern_masks_what_it_matches()
    {
        _redactor.SetPatterns(["card [0-9]+"]);

        Assert.Equal("paid with *** today", _redactor.Redact("paid with card 4111 today"));
    }

    [Fact]
    public void A_pattern_that_runs_away_masks_the_whole_text_within_its_limit()
    {
        _redactor.SetPatterns([@"^(?=((a+)+)+$)b"]);

        string masked = _redactor.Redact(new string('a', 40) + "!");

        Assert.DoesNotContain("aaaa", masked, StringComparison.Ordinal);
        Assert.Contains("100 ms", masked, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_text_is_cut_at_4_KiB_and_never_inside_a_character()
    {
        string text = new string('x', 4095) + "😀 and more";

        string cut = _redactor.ErrorText(text);

        Assert.Equal(new string('x', 4095), cut);
        Assert.Equal(4096, Encoding.UTF8.GetByteCount(_redactor.ErrorText(new string('ü', 3000))));
        Assert.Equal("", Redactor.Cut("😀", 3));
        Assert.Equal("😀", Redactor.Cut("😀", 4));
        Assert.Equal("", _redactor.ErrorText(null));
    }

    [Fact]
    public void A_secret_across_the_cut_leaves_no_half()
    {
        _redactor.AddSecret("canary-canary");

        Assert.DoesNotContain("canary", _redactor.ErrorText(new string('x', 4090) + "canary-canary"), StringComparison.Ordinal);
    }
}
