using MailOrderBot.Domain;
using Postroom;
using Postroom.Configuration;

namespace MailOrderBot.Services;

/// <summary>Whose orders are taken.</summary>
internal enum AcceptedSenders
{
    /// <summary>Everybody's.</summary>
    Any,

    /// <summary>Those of the customers in the database.</summary>
    Known,
}

/// <summary>What a catalogue file does to the stock of articles that are there.</summary>
internal enum StockMode
{
    /// <summary>Nothing: it is for new articles only.</summary>
    Keep,

    /// <summary>The file's stock is the stock.</summary>
    Replace,
}

/// <summary>The settings of the bot. Bound from <c>mailOrder</c> (SPEC MB-2). Immutable.</summary>
internal sealed record MailOrderOptions : IMakesFolders
{
    /// <summary>The name of the section.</summary>
    public const string Section = "mailOrder";

    private static readonly (string, AcceptedSenders)[] SenderWords = [("any", AcceptedSenders.Any), ("known", AcceptedSenders.Known)];
    private static readonly (string, StockMode)[] StockWords = [("keep", StockMode.Keep), ("replace", StockMode.Replace)];

    /// <summary>The database file. <c>data/shop.db</c> unless set. A change needs a restart.</summary>
    public string Database { get; init; } = "data/shop.db";

    /// <summary>The catalogue as CSV, loaded at the start and on change. Null, the default, keeps what the database has.</summary>
    public string? CatalogueFile { get; init; }

    /// <summary>What the file does to the stock of articles that are there. <see cref="StockMode.Keep"/> unless set.</summary>
    public StockMode StockMode { get; init; }

    /// <summary>The currency of prices that name none: three letters. <c>EUR</c> unless set.</summary>
    public string Currency { get; init; } = "EUR";

    /// <summary>Whose orders are taken. <see cref="AcceptedSenders.Any"/> unless set.</summary>
    public AcceptedSenders AcceptFrom { get; init; }

    /// <summary>The most lines of one order, 1 to 10,000. 500 unless set.</summary>
    public int MaxLines { get; init; } = 500;

    /// <summary>The most of one article, 1 to 1,000,000. 9,999 unless set.</summary>
    public int MaxQuantity { get; init; } = 9_999;

    /// <summary>How often a customer is asked in one thread before a person looks, 0 to 20. 2 unless set.</summary>
    public int MaxClarifications { get; init; } = 2;

    /// <summary>How many questions and refusals one address gets in an hour, 1 to 1,000, so that two machines do not talk for ever. 10 unless set.</summary>
    public int MaxQuestionsPerHour { get; init; } = 10;

    /// <summary>How long after its confirmation an order can be cancelled by mail; up to 30 d. 30 m unless set.</summary>
    public TimeSpan CancelWindow { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The gross amount above which operators are told of an order, in minor units of <see cref="Currency"/>. Null, the default, tells of none.</summary>
    public long? NotifyAbove { get; init; }

    /// <summary>What stands below each letter; empty for nothing. <c>Your mail order team</c> unless set.</summary>
    public string Signature { get; init; } = "Your mail order team";

    /// <summary>The shop's own addresses, in lower case: what comes from them is not answered. Empty unless set.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>The label that operators listen to; empty tells nobody. <c>operators</c> unless set.</summary>
    public string OperatorsLabel { get; init; } = "operators";

    /// <summary>The communicator that answers mail of sources which name none. <c>shop-mail</c> unless set.</summary>
    public string ReplyVia { get; init; } = "shop-mail";

    /// <summary>A folder that is filled once with a sample catalogue and sample orders where they are missing. Null, the default, fills none. A change needs a restart.</summary>
    public string? Samples { get; init; }

    /// <inheritdoc/>
    public bool WillMake(string folder) => Samples is { } samples && SampleShop.WillMake(samples, folder);

    /// <summary>The bounds of one order.</summary>
    public OrderLimits Limits => new(MaxLines, MaxQuantity, Currency);

    /// <summary>Reads the settings and reports everything wrong with them.</summary>
    public static MailOrderOptions Read(SectionReader reader)
    {
        MailOrderOptions d = new();
        string currency = reader.ReadText("currency", d.Currency)!;
        SectionReader labels = reader.ReadSection("labels");
        MailOrderOptions options = new()
        {
            Database = reader.ReadText("database", d.Database)!,
            CatalogueFile = reader.ReadText("catalogueFile"),
            StockMode = reader.ReadWord("stockMode", d.StockMode, StockWords),
            Currency = currency,
            AcceptFrom = reader.ReadWord("acceptFrom", d.AcceptFrom, SenderWords),
            MaxLines = reader.ReadCount("maxLines", d.MaxLines, 1, 10_000),
            MaxQuantity = reader.ReadCount("maxQuantity", d.MaxQuantity, 1, 1_000_000),
            MaxClarifications = reader.ReadCount("maxClarifications", d.MaxClarifications, 0, 20),
            MaxQuestionsPerHour = reader.ReadCount("maxQuestionsPerHour", d.MaxQuestionsPerHour, 1, 1_000),
            CancelWindow = reader.ReadDuration("cancelWindow", d.CancelWindow, TimeSpan.Zero, TimeSpan.FromDays(30)),
            NotifyAbove = ReadAmount(reader, "notifyAbove", currency),
            Signature = reader.ReadText("signature", d.Signature)!,
            Addresses = [.. reader.ReadTexts("addresses").Select(address => address.ToLowerInvariant())],
            OperatorsLabel = labels.ReadText("operators", d.OperatorsLabel)!,
            ReplyVia = reader.ReadText("replyVia", d.ReplyVia)!,
            Samples = reader.ReadText("samples"),
        };
        options.Check(reader);
        return options;
    }

    private static long? ReadAmount(SectionReader reader, string name, string currency)
    {
        if (reader.ReadText(name) is not { } text)
        {
            return null;
        }

        if (Money.IsCurrency(currency) && Money.TryParse(text, currency, out long minor))
        {
            return minor;
        }

        reader.AddError(name, $"{reader.Path}.{name} is '{text}', which is no amount. Write one up to {Money.Format(Money.MaxPrice, "EUR")} without a sign, such as 500 or 499.90.");
        return null;
    }

    private void Check(SectionReader reader)
    {
        if (!Money.IsCurrency(Currency))
        {
            reader.AddError("currency", $"{reader.Path}.currency is '{Currency}', which is no currency. Write three capital letters, such as EUR.");
        }

        if (Database.Length == 0)
        {
            reader.AddError("database", $"{reader.Path}.database is empty. Write a file, such as data/shop.db.");
        }

        if (!Postroom.Names.IsCommunicatorName(ReplyVia))
        {
            reader.AddError("replyVia", $"{reader.Path}.replyVia is '{ReplyVia}', which no communicator can be named. {Postroom.Names.CommunicatorRule}");
        }
    }
}
