using System.Globalization;
using Postroom.Crash;
using Postroom.Testing;

namespace Postroom.Lanes;

/// <summary>One kill, or one and another of the repeat.</summary>
/// <param name="Name">Where.</param>
/// <param name="Lane">The lane, whose policy decides.</param>
/// <param name="Step">Where the server falls silent before the kill; null where the process ends itself before it settles.</param>
/// <param name="Kills">How many processes are killed there.</param>
/// <param name="Mails">How many mails the server takes in the end.</param>
/// <param name="IsUncertain">Whether the message ends failed as uncertain; else acknowledged.</param>
public sealed record MailKill(string Name, string Lane, FakeSmtpStep? Step, int Kills, int Mails, bool IsUncertain)
{
    /// <summary>What is sent.</summary>
    public string Text => $"mail killed {Name}";
}

/// <summary>Kills a process in the middle of an SMTP send, against a fake mail server that outlives it, and looks what the next process makes of it (LN-8, AC-61).</summary>
public static class MailKills
{
    private static readonly string[] Lanes = ["mail-retry", "mail-hold"];

    /// <summary>The kills.</summary>
    public static IReadOnlyList<MailKill> All { get; } =
    [
        new("in DATA", "mail-retry", FakeSmtpStep.Body, Kills: 1, Mails: 1, IsUncertain: false),
        new("after the dot, before the answer", "mail-retry", FakeSmtpStep.Dot, Kills: 1, Mails: 2, IsUncertain: false),
        new("after the dot, before the answer, of the repeat too", "mail-retry", FakeSmtpStep.Dot, Kills: 2, Mails: 2, IsUncertain: true),
        new("answered, before the settle", "mail-retry", null, Kills: 1, Mails: 2, IsUncertain: false),
        new("in DATA, for a person", "mail-hold", FakeSmtpStep.Body, Kills: 1, Mails: 0, IsUncertain: true),
        new("after the dot, for a person", "mail-hold", FakeSmtpStep.Dot, Kills: 1, Mails: 1, IsUncertain: true),
    ];

    /// <summary>Runs the kills one after the other on one store.</summary>
    /// <param name="folder">Where everything is kept.</param>
    /// <param name="kills">The kills.</param>
    /// <param name="say">Takes lines of progress.</param>
    public static async Task<StepReport> RunAsync(string folder, IReadOnlyList<MailKill> kills, Action<string> say)
    {
        await using FakeSmtpServer server = new(new FakeSmtpOptions { StartTls = false });
        string backends = string.Join(',', Lanes.Select(lane => string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            "{{lane}}":{"type":"email","host":"{{FakeSmtpServer.Host}}","port":{{server.Port}},"security":"none","fromAddress":"shop@example.test","uncertain":"{{lane[5..]}}"}
            """)));
        await using LaneApp app = new(folder, "http://127.0.0.1:1", $"{{{backends}}}");
        List<string> problems = [];
        int sends = 0;
        foreach (MailKill kill in kills)
        {
            for (int n = 0; n < kill.Kills; n++)
            {
                await KillAsync(app, server, kill, isFirst: n == 0);
            }

            say($"killed {kill.Name}");
            await app.DrainAsync();
            FakeSmtpMail[] mails = [.. server.Mails.Where(mail => mail.Text.Contains(kill.Text, StringComparison.Ordinal))];
            sends += mails.Length;
            problems.AddRange(Check(app, kill, mails));
        }

        problems.AddRange(server.Violations);
        return new StepReport(kills.Sum(static kill => kill.Kills), sends, problems);
    }

    private static async Task KillAsync(LaneApp app, FakeSmtpServer server, MailKill kill, bool isFirst)
    {
        if (kill.Step is { } silent)
        {
            server.Next(silent, new FakeSmtpFault.Silence());
        }

        // A later kill is one of the repeat: nothing new is said.
        string[] words = isFirst ? ["--until-empty", "--lanes", kill.Lane, "--to", "ann@example.test", "--say", kill.Text] : [];
        int dots = server.Mails.Count;
        int datas = Datas(server);
        await using AppProcess process = app.Start(kill.Step is null ? [.. words, "--die-at", "ack.before@1"] : words);
        if (kill.Step is null)
        {
            await LaneApp.EndAsync(process, kill.Name);
        }
        else
        {
            // A mail counts as taken at its dot; in front of that the server has read the command and some of the mail.
            await LaneApp.ReachAsync(process, UntilAsync(() => kill.Step == FakeSmtpStep.Dot ? server.Mails.Count > dots : Datas(server) > datas), kill.Name);
            if (kill.Step == FakeSmtpStep.Body)
            {
                await LaneApp.ReachAsync(process, server.WaitForSilenceAsync(FakeSmtpStep.Body, CancellationToken.None), kill.Name);
            }

            await process.KillAsync();
        }

        await app.ReadToEndAsync();
    }

    private static int Datas(FakeSmtpServer server) => server.Lines.Count(static line => line.Line == "DATA");

    private static IEnumerable<string> Check(LaneApp app, MailKill kill, FakeSmtpMail[] mails)
    {
        JournalEntry[] entries = [.. app.Messages($"out.{kill.Lane}").Where(entry => Envelopes.TextOf(entry) == kill.Text)];
        if (entries is not [var entry])
        {
            yield return $"{kill.Name}: {entries.Length} messages are stored instead of one.";
            yield break;
        }

        (MessageState, FailureKind?) expected = kill.IsUncertain ? (MessageState.Failed, FailureKind.Uncertain) : (MessageState.Acked, null);
        if (mails.Length != kill.Mails || (entry.State, entry.FailureKind) != expected)
        {
            yield return $"{kill.Name}: the server took {mails.Length} mails instead of {kill.Mails}, and the message is {entry.State} {entry.FailureKind} instead of {expected}: {entry.Error}";
        }

        if (mails.Any(mail => mail.Text != mails[0].Text || !mail.Text.Contains($"Message-ID: <{entry.Envelope.Id}@example.test>", StringComparison.Ordinal)))
        {
            yield return $"{kill.Name}: a repeat is not the same mail with the same Message-ID.";
        }
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        while (!holds())
        {
            await Task.Delay(10);
        }
    }
}
