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

    /// <summary>What is wrong with the mail as a whole; empty for nothing.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
}
