using System.Globalization;
using Postroom.Crash;
using Postroom.EndToEnd.Tests.Program;
using Postroom.Tests.Mail;
using Xunit;

namespace Postroom.EndToEnd.Tests.Apps;

/// <summary>A customer that is not ours, against the shipped program with the bot, through a real Exim and a real Dovecot.</summary>
[Collection(Processes.Name)]
public sealed class CustomerTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Ac91_Mails_as_several_programs_write_them_are_answered_in_their_thread_as_a_customer_expects()
    {
        await using RealMailServer exim = await RealMailServer.StartEximAsync(RealProgram.Cancel);
        await using RealImapServer dovecot = await RealImapServer.StartAsync(exim, RealProgram.Cancel);
        await using RealProgram program = new();
        string shop = Path.Combine(program.Folder, "shop");
        string imapPort = dovecot.Port.ToString(CultureInfo.InvariantCulture);
        string smtpPort = exim.Port.ToString(CultureInfo.InvariantCulture);
        await program.RunAsync(
            "modules=[MailOrderBot]", $"mailOrder.samples={shop}", $"mailOrder.catalogueFile={shop}/catalogue.csv", $"mailOrder.database={shop}.db", "mailOrder.labels.operators=",
            "sources.shop-inbox.type=imap", "sources.shop-inbox.host=localhost", $"sources.shop-inbox.port={imapPort}", "sources.shop-inbox.security=implicit", $"sources.shop-inbox.caFile={dovecot.CaFile}",
            "sources.shop-inbox.username=bot", $"sources.shop-inbox.password={RealMailServer.Password}", "sources.shop-inbox.mode=auto", "sources.shop-inbox.into=orders",
            "communications.backends.shop-mail.type=email", "communications.backends.shop-mail.host=localhost", $"communications.backends.shop-mail.port={smtpPort}", "communications.backends.shop-mail.security=starttls",
            $"communications.backends.shop-mail.caFile={exim.CaFile}", $"communications.backends.shop-mail.username={RealMailServer.User}", $"communications.backends.shop-mail.password={RealMailServer.Password}",
            "communications.backends.shop-mail.fromAddress=Tea shop <bot@example.test>", "communications.backends.shop-mail.labels=[\"mail\"]");

        (int code, string conversation) = await Shell.TryRunAsync(
            "python3", Repository("apps/MailOrderBot/customer"), "--smtp", $"localhost:{smtpPort}", "--imap", $"localhost:{imapPort}", "--ca", exim.CaFile, "--user", RealMailServer.User,
            "--password", RealMailServer.Password, "--inbox", "user", "--from", "user@example.test", "--to", "bot@example.test");

        output.WriteLine(conversation);
        Assert.True(code == 0, $"{conversation}\n{program.Process.Output}");
    }

    private static string Repository(string path)
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Postroom.slnx")))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return Path.Combine(folder, path);
    }
}
