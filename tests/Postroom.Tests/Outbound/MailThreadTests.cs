using Postroom.Outbound;
using Xunit;

namespace Postroom.Tests.Outbound;

/// <summary>An answer to a mail stays in its thread (MB-14).</summary>
public sealed class MailThreadTests
{
    [Theory]
    [InlineData("Order", "Re: Order")]
    [InlineData("RE: Order", "RE: Order")]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void The_subject_has_one_Re(string? subject, string? reply) => Assert.Equal(reply, MailThread.ReplySubject(Mail((HeaderNames.Subject, subject))));

    [Fact]
    public void The_references_are_those_of_the_mail_and_its_own_id_the_first_and_the_last_ten()
    {
        string many = string.Join(' ', Enumerable.Range(0, 30).Select(i => $"<{i}@x>"));

        Assert.Equal("<id@x>", MailThread.References(Mail((HeaderNames.ChannelMessageId, "<id@x>"))));
        Assert.Equal("<a@x> <id@x>", MailThread.References(Mail((HeaderNames.ChannelMessageId, "<id@x>"), (HeaderNames.References, "<id@x> <a@x>"))));
        Assert.Equal(
            $"<0@x> {string.Join(' ', Enumerable.Range(21, 9).Select(i => $"<{i}@x>"))} <id@x>", MailThread.References(Mail((HeaderNames.ChannelMessageId, "<id@x>"), (HeaderNames.References, many))));
        Assert.Null(MailThread.References(Mail()));
        Assert.Null(MailThread.References(Mail((HeaderNames.ChannelMessageId, "7")) with { Type = PayloadTypes.ChatText }));
    }

    private static Envelope Mail(params (string Name, string? Value)[] headers) => new(MessageId.New(), "in", PayloadTypes.MailReceived, default)
    {
        Headers = headers.Where(header => header.Value is not null).ToDictionary(header => header.Name, header => header.Value!, StringComparer.Ordinal),
    };
}
