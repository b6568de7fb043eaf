using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Postroom.Crash;
using Postroom.EndToEnd.Tests.Program;
using Postroom.Tests.Mail;
using Xunit;

namespace Postroom.EndToEnd.Tests.Apps;

/// <summary>The mail order bot as a process of its own over a mailbox of a real Dovecot; its letters leave by SMTP. It dies and runs again on what it left.</summary>
/// <param name="dovecot">The mailbox.</param>
/// <param name="box">Where its letters arrive.</param>
/// <param name="mode">How the mailbox is read.</param>
/// <param name="store">The kind of store.</param>
/// <param name="asShipped">Whether deaths and doubts are judged by the settings as they are; otherwise it goes on by itself whatever the number of kills, which are not the fault of what it works on.</param>
internal sealed partial class OrderRun(RealImapServer dovecot, LetterBox box, string mode, string store, bool asShipped = false) : IAsyncDisposable
{
    private const string Catalogue = "sku,name,price,tax,pack,stock,active,aliases\nTEA-001,Green tea,4.50,7,1,1000000,yes,\nTEA-002,Black tea,3.95,19,1,1000000,yes,\n";

    /// <summary>How many letters may be on their way to the server at a time.</summary>
    public const int Connections = 4;

    public RealProgram Program { get; } = new();

    private string Database => Path.Combine(Program.Folder, "shop.db");

    /// <summary>The letters that were taken, repeats included.</summary>
    public string[] Letters => box.Read();

    /// <summary>
    /// The letters, each once. After a kill, nobody can tell whether those were taken whose claim is stored and whose receipt is not, so SMTP allows that they come again. How many
    /// there were each start says; it is the same letter then, with the same Message-ID.
    /// </summary>
    public string[] Check()
    {
        IGrouping<string, string>[] byId = [.. Letters.GroupBy(letter => Header(letter, "Message-ID"))];
        int repeats = Letters.Length - byId.Length;
        int doubts = Program.Outputs.Sum(static text => InDoubt().Matches(text).Sum(static match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)));
        Assert.True(repeats <= doubts, $"{repeats} letters came again, and {doubts} were in doubt.");
        Assert.All(byId, same => Assert.Single(same.Select(letter => letter[letter.IndexOf("From: ", StringComparison.Ordinal)..]).Distinct()));
        return [.. byId.Select(same => same.First())];
    }

    /// <summary>How often an operator decided what a kill had left undecided, and how; shown with the result.</summary>
    public int Confirmed { get; private set; }

    /// <summary>As <see cref="Confirmed"/>: letters that had not arrived.</summary>
    public int Replayed { get; private set; }

    /// <summary>As <see cref="Confirmed"/>: mails and letters that were given up for the deaths they saw, and replayed.</summary>
    public int Poisoned { get; private set; }

    /// <summary>
    /// Does what an operator does who finds messages among the failed ones: looks whether the letter is in the mailbox, and confirms it there; replays what is not. Anything
    /// that failed for another reason than a kill is a failure of the run.
    /// </summary>
    public async Task DecideAsync()
    {
        foreach (JsonElement failed in (await Program.ApiAsync("journal?state=failed&limit=100&order=asc")).GetProperty("items").EnumerateArray())
        {
            string id = failed.GetProperty("id").GetString()!;
            string? kind = failed.GetProperty("kind").GetString();
            bool isLetter = failed.GetProperty("queue").GetString() == "out.shop-mail";
            Assert.True(kind == "poison" || (kind == "uncertain" && isLetter), $"{id} failed, and no kill was the reason: {failed}");
            bool isThere = kind == "uncertain" && await HasArrivedAsync(id);
            (int code, string output) = await Program.CommandAsync(isThere ? ["journal", "confirm", id] : ["replay", id]);
            Assert.True(code == 0, output);
            (Confirmed, Replayed, Poisoned) = (Confirmed + (isThere ? 1 : 0), Replayed + (!isThere && kind == "uncertain" ? 1 : 0), Poisoned + (kind == "poison" ? 1 : 0));
        }
    }

    /// <summary>A header of a letter.</summary>
    public static string Header(string letter, string name) => letter.ReplaceLineEndings("\n").Split('\n').First(line => line.StartsWith($"{name}: ", StringComparison.OrdinalIgnoreCase))[(name.Length + 2)..];

    /// <summary>Starts it and waits until it is ready.</summary>
    public Task RunAsync() => Program.RunAppAsync("orders", Words(null, null));

    /// <summary>Starts it to die at a step of the mails of a thread, and waits until it has.</summary>
    public async Task DieAsync(string step, string thread)
    {
        AppProcess process = Program.StartApp("orders", Words(step, thread));
        int code = await process.WaitAsync().WaitAsync(TimeSpan.FromMinutes(1), RealProgram.Cancel);
        Assert.True(code == 137, $"It ended with {code} instead of dying at '{step}': {process.Output}");
    }

    private async Task<bool> HasArrivedAsync(string id)
    {
        string letter = (await Program.ApiAsync($"journal/{id}/body")).GetProperty("metadata").GetProperty("messageId").GetString()!;
        return Array.Exists(Letters, text => Header(text, "Message-ID").StartsWith($"<{letter}@", StringComparison.Ordinal));
    }

    /// <summary>Asks the shop's database as another process does.</summary>
    public async Task<string> SqlAsync(string sql) => File.Exists(Database) ? await Shell.RunAsync("sqlite3", "-readonly", "-cmd", ".timeout 10000", Database, sql) : "";

    public Task UntilAsync(Func<Task<bool>> condition) => Program.UntilAsync(condition);

    public static string Mail(string id, string from, string text, string? root = null) =>
        $"From: {from}\nTo: bot@example.test\nSubject: {(root is null ? "Tea" : "Re: Tea")}\nMessage-ID: <{id}@example.org>\n{(root is null ? "" : $"In-Reply-To: <{root}@example.org>\nReferences: <{root}@example.org>\n")}\n{text}\n";

    public ValueTask DisposeAsync() => Program.DisposeAsync();

    private string[] Words(string? step, string? thread)
    {
        string catalogue = Path.Combine(Program.Folder, "catalogue.csv");
        if (!File.Exists(catalogue))
        {
            File.WriteAllText(catalogue, Catalogue);
        }

        const string Source = "sources.shop-inbox";
        const string Reply = "communications.backends.shop-mail";
        string[] settings =
        [
            $"store.kind={store}", "store.reserve=0", $"mailOrder.database={Database}", $"mailOrder.catalogueFile={catalogue}", "mailOrder.labels.operators=",
            $"{Reply}.type=email", $"{Reply}.host=localhost", $"{Reply}.port={box.Port.ToString(CultureInfo.InvariantCulture)}", $"{Reply}.security=starttls", $"{Reply}.caFile={dovecot.CaFile}",
            .. asShipped ? Array.Empty<string>() : ["queues.orders.poisonDeaths=100", $"{Reply}.uncertainRetries=100"],
            $"{Reply}.fromAddress=bot@example.test", $"{Reply}.labels=[\"mail\"]", .. box.Login ? [$"{Reply}.username={RealMailServer.User}", $"{Reply}.password={RealMailServer.Password}"] : Array.Empty<string>(),
            $"{Source}.type=imap", $"{Source}.host=localhost", $"{Source}.port={dovecot.Port.ToString(CultureInfo.InvariantCulture)}", $"{Source}.security=implicit", $"{Source}.caFile={dovecot.CaFile}",
            $"{Source}.username=bot", $"{Source}.password={RealMailServer.Password}", $"{Source}.into=orders", $"{Source}.replyVia=shop-mail", $"{Source}.mode={mode}", $"{Source}.pollInterval=1s",
        ];
        string[] own =
        [
            $"server.urls=[\"http://127.0.0.1:{Program.Port.ToString(CultureInfo.InvariantCulture)}\"]", $"store.path={Program.Store}", $"runtime.dataDirectory={Path.Combine(Program.Folder, "data")}",
        ];
        string[] die = step is null ? [] : ["--die-at", step, "--target", thread!];
        return [.. die, .. settings.Concat(own).SelectMany(setting => new[] { "--set", setting })];
    }

    [GeneratedRegex(@"Recovered run [^\n]*?(\d+) uncertain", RegexOptions.NonBacktracking)]
    private static partial Regex InDoubt();
}
