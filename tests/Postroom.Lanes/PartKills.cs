using System.Globalization;
using Postroom.Crash;
using Postroom.Testing;

namespace Postroom.Lanes;

/// <summary>Kills a process between the parts of a long message, and between the storing of a received one and its confirmation, against a fake of Telegram.</summary>
public static class PartKills
{
    private const int Parts = 4; // of 95 lines
    private const int Lines = 95;
    private static readonly string[] Steps = ["part.before@1", "part.after@1", "accepted"];

    /// <summary>Runs the steps one after the other on one store.</summary>
    /// <param name="folder">Where everything is kept.</param>
    /// <param name="say">Takes lines of progress.</param>
    public static async Task<StepReport> RunAsync(string folder, Action<string> say)
    {
        await using FakeTelegramServer telegram = new();
        FakeTelegramChat chat = telegram.AddChat(1001);
        string settings = """{"shop":{"type":"telegram","token":"TOKEN","baseUrl":"ADDRESS","listenToCommands":true,"chats":{"default":{"chatId":"1001","commandAuthorized":true}}}}"""
            .Replace("TOKEN", telegram.Token, StringComparison.Ordinal).Replace("ADDRESS", telegram.Address.ToString(), StringComparison.Ordinal);
        await using LaneApp app = new(folder, "http://127.0.0.1:1", settings);
        List<string> problems = [];
        foreach (string step in Steps)
        {
            int before = chat.Messages.Count;
            await KillAsync(app, telegram, chat, step);
            say($"killed at {step}");
            await app.DrainAsync();
            problems.AddRange(Check(step, [.. chat.Messages.Skip(before).Select(message => message.Text)]));
        }

        problems.AddRange(await KillReceivingAsync(app, telegram, chat));
        say("killed between append and confirmation");
        problems.AddRange(app.Messages("out.shop").Where(entry => entry.State != MessageState.Acked).Select(entry => $"{entry.Envelope.Id} is {entry.State} {entry.FailureKind}: {entry.Error}"));
        return new StepReport(Steps.Length + 1, telegram.Calls.Count(call => call.Method == "sendMessage"), problems);
    }

    private static async Task KillAsync(LaneApp app, FakeTelegramServer telegram, FakeTelegramChat chat, string step)
    {
        string[] words = ["--lanes", "shop", "--say", step, "--lines", Lines.ToString(CultureInfo.InvariantCulture)];
        if (step != "accepted")
        {
            await using AppProcess dies = app.Start([.. words, "--die-at", step]);
            await LaneApp.EndAsync(dies, step);
            await app.ReadToEndAsync();
            return;
        }

        int target = chat.Messages.Count + 3;
        telegram.FailNext(new FakeAnswer.Silence(), "sendMessage", skip: 2, afterWork: true);
        await using AppProcess process = app.Start(words);
        await LaneApp.ReachAsync(process, UntilAsync(() => chat.Messages.Count >= target), "the third part is taken");
        await process.KillAsync();
        await app.ReadToEndAsync();
    }

    /// <summary>At most one part is there twice, at the place of the kill, and the others once and in order.</summary>
    private static IEnumerable<string> Check(string step, IReadOnlyList<string> texts)
    {
        int most = step == "part.after@1" ? Parts : Parts + 1;
        string[] distinct = [.. texts.Distinct(StringComparer.Ordinal)];
        string[] lines = [.. distinct.SelectMany(text => text.Split('\n'))];
        bool inOrder = lines.SequenceEqual(Enumerable.Range(1, Lines).Select(line => string.Create(CultureInfo.InvariantCulture, $"{step} {line}")));
        if (texts.Count > most || distinct.Length != Parts || !inOrder)
        {
            yield return $"{step}: {texts.Count} parts arrived, {distinct.Length} different ones with {lines.Length} lines{(inOrder ? "" : ", not in order")}; {Parts} were to arrive, and at most {most}.";
        }
    }

    private static async Task<IEnumerable<string>> KillReceivingAsync(LaneApp app, FakeTelegramServer telegram, FakeTelegramChat chat)
    {
        long update;
        await using (AppProcess process = app.Start("--die-at", "append.after@1"))
        {
            await LaneApp.ReachAsync(process, UntilAsync(() => telegram.IsPolled), "the first poll");
            update = telegram.Say(chat, 77, "hello");
            await LaneApp.EndAsync(process, "the update is stored");
            await app.ReadToEndAsync();
        }

        bool unconfirmed = telegram.Unconfirmed.Contains(update);
        await using (AppProcess next = app.Start())
        {
            await LaneApp.ReachAsync(next, UntilAsync(() => !telegram.Unconfirmed.Contains(update)), "the update is confirmed");
            await next.KillAsync();
            await app.ReadToEndAsync();
        }

        int stored = app.Messages("in").Count;
        return unconfirmed && stored == 1
            ? []
            : [$"An update stored before a kill is there {stored} times instead of once, and was {(unconfirmed ? "not " : "")}confirmed before the kill."];
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        while (!holds())
        {
            await Task.Delay(10);
        }
    }
}
