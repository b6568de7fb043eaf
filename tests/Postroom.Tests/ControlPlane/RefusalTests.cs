using Postroom.ControlPlane;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>Refusals tell a caller what is wrong, and the log once.</summary>
public sealed class RefusalTests
{
    private readonly ManualClock _clock = new();

    [Fact]
    public void Refusals_of_one_cause_share_a_line_and_its_id_for_a_while()
    {
        RefusalLog log = new(_clock);

        (string first, long? logged) = log.Next("full");
        (string second, long? none) = log.Next("full");
        (string third, _) = log.Next("full");
        (string other, long? otherLogged) = log.Next("stopping");
        _clock.Advance(TimeSpan.FromSeconds(10));
        (string later, long? two) = log.Next("full");

        Assert.Equal((0L, null, 0L, 2L), (logged, none, otherLogged, two));
        Assert.Equal((first, first), (second, third));
        Assert.Equal(3, new[] { first, other, later }.Distinct().Count());
    }

    [Fact]
    public async Task A_right_signature_of_another_time_is_told_as_that_and_a_wrong_one_is_not()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(new WebhookIntakeOptions { Secret = new Secret("mine-canary") });
        const string Body = """{"sender":"491","msg_type":"chat"}""";
        long old = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 302;

        Answer untimely = await http.PostAsync(Body, ("X-Postroom-Signature", Sign("mine-canary", old, Body)));
        Answer wrong = await http.PostAsync(Body, ("X-Postroom-Signature", Sign("other", old, Body)));

        Assert.Equal((401, 401), (untimely.Status, wrong.Status));
        Assert.Contains("more than 5 minutes away", untimely.Text, StringComparison.Ordinal);
        Assert.Contains("missing or wrong", wrong.Text, StringComparison.Ordinal);
    }

    private static string Sign(string secret, long seconds, string body)
    {
        byte[] hash = System.Security.Cryptography.HMACSHA256.HashData(System.Text.Encoding.UTF8.GetBytes(secret), System.Text.Encoding.UTF8.GetBytes($"{seconds}.{body}"));
        return $"t={seconds},v1={Convert.ToHexStringLower(hash)}";
    }
}
