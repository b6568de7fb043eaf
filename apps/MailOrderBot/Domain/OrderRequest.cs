namespace MailOrderBot.Domain;

/// <summary>One way to read an order line.</summary>
/// <param name="Article">What is ordered, as written.</param>
/// <param name="Quantity">How many, as written.</param>
internal sealed record LineReading(string Article, string Quantity);

/// <summary>A line that may order something.</summary>
/// <param name="Raw">The line as written, without its bullet.</param>
/// <param name="Readings">How it can be read, the likeliest first; empty when a line of a file cannot be, or it has no quantity.</param>
internal sealed record RequestedLine(string Raw, IReadOnlyList<LineReading> Readings)
{
    /// <summary>Whether it is surely meant as an order line; otherwise it may be a sentence that holds a number.</summary>
    public bool IsCertain { get; init; }

    /// <summary>Whether it is a row of a table or stands behind a bullet.</summary>
    public bool IsItem { get; init; }

    /// <summary>Whether it stands in the address, where nothing is ordered.</summary>
    public bool IsInAddress { get; init; }

    /// <summary>Whether it stands below the words that close a letter, where names, streets and telephones are.</summary>
    public bool IsBelowClosing { get; init; }

    /// <summary>Where it stands among all lines of the text.</summary>
    public int Position { get; init; }

    /// <summary>What else its row says of the article, which has to mean the same one; empty for nothing.</summary>
    public IReadOnlyList<string> AlsoNamed { get; init; } = [];

    /// <summary>Why a row of a table cannot be read, if it names an article; null for nothing.</summary>
    public string? Unreadable { get; init; }

    /// <summary>What is wrong with its form; null for nothing.</summary>
    public string? Malformed { get; init; }
}

/// <summary>What somebody asks for, before anyone looked into the catalogue.</summary>
internal sealed record OrderRequest
{
    /// <summary>The lines, in order.</summary>
    public IReadOnlyList<RequestedLine> Lines { get; init; } = [];

    /// <summary>What else the sender wrote of which only the catalogue can tell whether an article is meant; without readings, in order.</summary>
    public IReadOnlyList<RequestedLine> Rest { get; init; } = [];

    /// <summary>The customer's own number or word for the order; null for none.</summary>
    public string? Reference { get; init; }

    /// <summary>Where it shall go; null for where it always goes.</summary>
    public string? ShipTo { get; init; }

    /// <summary>What else the customer says; null for nothing.</summary>
    public string? Note { get; init; }

    /// <summary>The numbers of the orders that it cancels (MB-13); empty for none.</summary>
    public IReadOnlyList<string> Cancels { get; init; } = [];

    /// <summary>A line that speaks of a cancellation in other words than those that cancel; null for none.</summary>
    public string? CancelWords { get; init; }

    /// <summary>A line with words that no order has, such as those of a complaint; null for none.</summary>
    public string? NoOrderWords { get; init; }

    /// <summary>Whether a mail is forwarded in it, which is not read.</summary>
    public bool Forwards { get; init; }

    /// <summary>What stands beside the file that is the order; null when there is no file.</summary>
    public OrderRequest? Beside { get; init; }

    /// <summary>What is wrong with the mail as a whole; empty for nothing.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>What the letter is to say beside; empty for nothing.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];
}
