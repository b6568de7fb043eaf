using System.Globalization;
using System.Text;
using MailOrderBot;
using Microsoft.Data.Sqlite;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Sqlite;

namespace Postroom.Tests.Apps;

/// <summary>The bot in a runtime in memory on a manual clock, with a database of its own. Mails come in as they stand on disk.</summary>
internal sealed class ShopFixture : IAsyncDisposable
{
    public const string Catalogue = """
        sku,name,price,tax,pack,stock,active,aliases
        TEA-001,Green tea,4.50,7,1,20,yes,green|sencha
        TEA-002,Black tea,3.90,7,1,100,yes,
        TEA-003,Mint tea <fresh>,3.20,7,6,60,yes,mint
        POT-020,Teapot,24.90,19,1,2,yes,
        """;

    private readonly TempFolder _folder = new();
    private TestRuntime? _runtime;

    public TestRuntime Runtime => _runtime!;

    /// <summary>What customers get.</summary>
    public RecordingCommunicator Mail { get; private set; } = new("shop-mail");

    /// <summary>What operators get.</summary>
    public RecordingCommunicator Operators { get; private set; } = new("ops");

    /// <summary>Called at the points of the shop's work that the module names; null for nobody.</summary>
    public Action<string>? Passing { get; set; }

    public string Database => _folder.File("shop.db");

    public string CatalogueFile => _folder.File("catalogue.csv");

    public static async Task<ShopFixture> StartAsync(params string[] settings)
    {
        ShopFixture shop = new();
        await File.WriteAllTextAsync(shop.CatalogueFile, Catalogue);
        await shop.RunAsync(settings);
        return shop;
    }

    /// <summary>Ends the runtime, whose memory is lost, and starts another on the same database.</summary>
    public async Task RunAsync(params string[] settings)
    {
        if (_runtime is { } before)
        {
            await before.DisposeAsync();
        }

        (Mail, Operators) = (new RecordingCommunicator("shop-mail"), new RecordingCommunicator("ops"));
        _runtime = await TestRuntime.StartAsync(
            app =>
            {
                new MailOrderModule { Passing = step => Passing?.Invoke(step) }.Configure(app);
                app.AddCommunicator(_ => Mail, ["mail"]).AddCommunicator(_ => Operators, ["operators"]);
            },
            [$"mailOrder.database={Database}", $"mailOrder.catalogueFile={CatalogueFile}", .. settings]);
    }

    /// <summary>A mail of Ann, as a file.</summary>
    public static string MailOf(string id, string text, string subject = "Order", string headers = "", string from = "Ann Müller <ann@example.org>") =>
        $"From: {from}\nTo: shop@example.test\nSubject: {subject}\nMessage-ID: <{id}@example.org>\nContent-Type: text/plain; charset=utf-8\n{headers}\n{text}\n";

    /// <summary>A mail in the thread of another.</summary>
    public static string AnswerTo(string id, string first, string text, string subject = "Re: Order") => MailOf(id, text, subject, $"In-Reply-To: <{first}@example.org>\nReferences: <{first}@example.org>\n");

    /// <summary>A mail with files.</summary>
    public static string MailWithFiles(string id, string text, params (string Head, byte[] Data)[] files) =>
        $"From: ann@example.org\nTo: shop@example.test\nSubject: Order\nMessage-ID: <{id}@example.org>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        + string.Concat(files.Select(file => $"--b\n{file.Head}\nContent-Disposition: attachment; filename=order.csv\nContent-Transfer-Encoding: base64\n\n{Convert.ToBase64String(file.Data, Base64FormattingOptions.InsertLineBreaks)}\n")) + "--b--\n";

    /// <summary>Brings mails in, as a source does, and waits until all is done.</summary>
    public async Task ReceiveAsync(params string[] mails)
    {
        IMessageSink sink = Runtime.Runtime.View.OpenSink("shop-inbox");
        foreach (string mail in mails)
        {
            byte[] raw = Encoding.UTF8.GetBytes(mail.ReplaceLineEndings("\r\n"));
            await sink.AcceptAsync([MailTranslation.ToSource(MailMessageReader.Read(raw, Runtime.Clock.GetUtcNow()) with { Account = "shop@mail.test" }, "orders", "shop-mail", null, raw)], null, CancellationToken.None);
            await Runtime.RunUntilIdleAsync();
        }
    }

    /// <summary>The texts of the letters so far.</summary>
    public IReadOnlyList<string> Letters => [.. Mail.Sends.Select(send => send.Message.Message)];

    /// <summary>What operators were told so far.</summary>
    public IReadOnlyList<string> Notices => [.. Operators.Sends.Select(send => $"{send.Message.Severity.ToWord()}: {send.Message.Message}")];

    /// <summary>Asks the database; rows as texts with a bar between fields.</summary>
    public string Sql(string sql) => Sql(Database, sql);

    public static string Sql(string database, string sql)
    {
        using SqliteConnection connection = new($"Data Source={database};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // Texts of tests.
        command.CommandText = sql;
#pragma warning restore CA2100
        using SqliteDataReader row = command.ExecuteReader();
        List<string> rows = [];
        while (row.Read())
        {
            rows.Add(string.Join('|', Enumerable.Range(0, row.FieldCount).Select(i => Convert.ToString(row.GetValue(i), CultureInfo.InvariantCulture))));
        }

        return string.Join('\n', rows);
    }

    public async ValueTask DisposeAsync()
    {
        await Runtime.DisposeAsync();
        _folder.Dispose();
    }
}
