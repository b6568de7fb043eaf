using System.Text;
using System.Text.Json;
using Postroom.Host;
using Postroom.Mail;
using Postroom.Tests.Mail;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.EndToEnd.Tests.Mail;

/// <summary>Mail of a whole runtime, through a real Exim into a mailbox of a real Dovecot, read back over IMAP by a reader that is not ours.</summary>
public sealed class MailCounterpartTests
{
    private static readonly string[] Smuggling =
    [
        "a@example.test\r\nRCPT TO:<bot@example.test>", "a@example.test\nDATA", "a@example.test\0", "a@example.test> SIZE=1", "<a@example.test>\r\n", "a@example.test>\r\nRSET",
        "\"a\r\n\"@example.test", "a@example.test NOTIFY=NEVER", "Ann\r\nBcc: bot@example.test <user@example.test>", "a@@example.test", "a@example.test,\r\nbot@example.test",
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ac59_Ac62_What_a_runtime_sends_is_read_over_imap_as_it_was_meant_and_no_address_smuggles_a_command()
    {
        await using RealMailServer exim = await RealMailServer.StartEximAsync(Cancel);
        await using RealImapServer dovecot = await RealImapServer.StartAsync(exim, Cancel);
        await using MessageRuntime runtime = await StartAsync(exim);
        Dictionary<string, (string Text, string Recipient)> sent = [];
        List<EmitResult> emitted = [];
        foreach (string text in HostileStrings.All().Concat(MailStrings.Own).Distinct().Where(text => text.Length > 0 && !HeaderText.Breaks(text) && text.Length < 2_000))
        {
            EmitResult result = await runtime.Dispatcher.EmitAsync(MailOf(text, $"{HeaderText.Quote(text)} <bot@example.test>"), Cancel);
            sent.Add($"<{result.Ids[0]}@example.test>", (text, "bot@example.test"));
            emitted.Add(result);
        }

        List<EmitResult> refused = [];
        foreach (string address in Smuggling)
        {
            refused.Add(await runtime.Dispatcher.EmitAsync(MailOf("smuggled", address), Cancel));
        }

        foreach (EmitResult result in emitted)
        {
            EmitOutcome outcome = (await result.WaitAsync(TimeSpan.FromSeconds(60), Cancel))[0];
            Assert.True(outcome.State == MessageState.Acked, outcome.Error);
        }

        foreach ((EmitResult result, string address) in refused.Zip(Smuggling))
        {
            EmitOutcome outcome = (await result.WaitAsync(TimeSpan.FromSeconds(60), Cancel))[0];
            Assert.True(outcome.State == MessageState.Failed, $"'{address}' was taken.");
        }

        await exim.WaitForMailsAsync(sent.Count, Cancel);
        IReadOnlyList<ReadMail> read = await dovecot.ReadAsync("bot", Cancel);
        Assert.Equal(sent.Keys.Order(), read.Select(mail => mail.MessageId).Order());
        Assert.All(read, mail => AssertSame(sent[mail.MessageId].Text, mail));
        Assert.Empty(await dovecot.ReadAsync("user", Cancel));
    }

    private static void AssertSame(string text, ReadMail mail)
    {
        OutgoingMessage message = MailOf(text, $"{HeaderText.Quote(text)} <bot@example.test>");
        MailDraft draft = new EmailComposer(Mailbox.Parse("bot@example.test"), null).Compose(message, EmailRecipients.Of(message, null, []), new SentMail(MessageId.Parse(mail.MessageId[1..37])), []);
        MailStrings.AssertSame(draft, mail);
    }

    private static OutgoingMessage MailOf(string text, string recipient) => new(text)
    {
        Subject = text,
        Attachments = [Attachment.FromBytes(text, Encoding.UTF8.GetBytes(text))],
        Metadata = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(JsonSerializer.Serialize(new Dictionary<string, string[]> { ["recipients"] = [recipient] }))!,
    };

    private static async Task<MessageRuntime> StartAsync(RealMailServer exim)
    {
        const string Mail = "communications.backends.mail";
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new Postroom.Configuration.ConfigurationSources
            {
                Layers =
                {
                    new Postroom.Configuration.CommandLineConfigurationLayer(
                    [
                        "store.kind=memory", "communications.enabled=true", $"{Mail}.type=email", $"{Mail}.host=localhost", $"{Mail}.port={exim.Port}", $"{Mail}.security=starttls", $"{Mail}.caFile={exim.CaFile}",
                        $"{Mail}.username={RealMailServer.User}", $"{Mail}.password={RealMailServer.Password}", $"{Mail}.fromAddress=bot@example.test",
                    ]),
                },
            },
        });
        runtime.RegisterModule(new Channels());
        await runtime.StartAsync(Cancel);
        return runtime;
    }

    private sealed class Channels : IApplicationModule
    {
        public string Name => "channels";

        public string Version => "1";

        public void Configure(IApplicationBuilder app) => app.AddChannels();
    }

    /// <summary>The delivery that a mail came from, as far as composing needs it.</summary>
    private sealed class SentMail(MessageId id) : DeliveryContext
    {
        public override MessageId MessageId => id;

        public override int Attempt => 1;

        public override bool Redelivered => false;

        public override Address? Recipient => null;

        public override string? Conversation => null;

        public override string IdempotencyKey => id.ToString();

        public override Envelope Envelope => new(id, "out.mail", "notify", default);

        public override IReadOnlyList<string> Progress => [];

        public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken) => default;
    }
}
