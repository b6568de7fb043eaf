namespace MailOrderBot.Domain;

/// <summary>What is wrong with an order line.</summary>
/// <param name="Text">The problem, as a clause for the customer.</param>
/// <param name="Suggestions">Articles that may have been meant; empty for none.</param>
internal sealed record LineProblem(string Text, IReadOnlyList<Product> Suggestions)
{
    /// <summary>A problem without suggestions.</summary>
    public LineProblem(string text)
        : this(text, [])
    {
    }
}

/// <summary>One line of an order, priced or with its problem.</summary>
internal sealed record CheckedLine
{
    /// <summary>What the customer wrote; several lines when equal articles were added up.</summary>
    public required string Raw { get; init; }

    /// <summary>The article; null when it is unknown.</summary>
    public Product? Product { get; init; }

    /// <summary>How many; null when that cannot be read.</summary>
    public long? Quantity { get; init; }

    /// <summary>Price times quantity, in minor units; 0 with a problem.</summary>
    public long NetMinor { get; init; }

    /// <summary>The tax on it, rounded half up; 0 with a problem.</summary>
    public long TaxMinor { get; init; }

    /// <summary>What is wrong; null for nothing.</summary>
    public LineProblem? Problem { get; init; }

    /// <summary>The article that it names, where it could not be read as an order line; null where it could.</summary>
    public Mention? Mention { get; init; }

    /// <summary>Whether it only names an article, as a question does, and orders nothing.</summary>
    public bool OnlyMentions => Mention is { HasQuantity: false };
}

/// <summary>An order whose articles are known, and no price or stock.</summary>
/// <param name="Lines">The lines, in order, without prices.</param>
/// <param name="Problems">What is wrong with it as a whole; empty for nothing.</param>
internal sealed record ResolvedOrder(IReadOnlyList<CheckedLine> Lines, IReadOnlyList<string> Problems)
{
    /// <summary>What the letter says beside, which keeps it not from being confirmed; empty for nothing.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Whether it orders an article of the shop, though perhaps in words that cannot be read.</summary>
    public bool NamesArticle => Lines.Any(line => line.Product is not null || line.Mention is { HasQuantity: true });

    /// <summary>Whether it surely orders nothing: nothing in it names an article, known or not, and all of it could be read.</summary>
    public bool IsNone => Lines.Count == 0 && Problems.Count == 0 && Remarks.Count == 0;
}

/// <summary>An order that was checked against the catalogue.</summary>
internal sealed record CheckedOrder
{
    /// <summary>The lines, in order.</summary>
    public required IReadOnlyList<CheckedLine> Lines { get; init; }

    /// <summary>What is wrong with it as a whole; empty for nothing.</summary>
    public required IReadOnlyList<string> Problems { get; init; }

    /// <summary>What the letter says beside, which keeps it not from being confirmed; empty for nothing.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The currency of all its lines.</summary>
    public required string Currency { get; init; }

    /// <summary>The sum of the lines before tax.</summary>
    public long NetMinor => Lines.Sum(line => line.NetMinor);

    /// <summary>The sum of the taxes of the lines.</summary>
    public long TaxMinor => Lines.Sum(line => line.TaxMinor);

    /// <summary>What is to be paid.</summary>
    public long GrossMinor => NetMinor + TaxMinor;

    /// <summary>Whether any of its lines orders something; a question about an article does not.</summary>
    public bool HasOrderLines => Lines.Any(line => !line.OnlyMentions);

    /// <summary>Whether it can be confirmed as it is.</summary>
    public bool IsGood => Lines.Count > 0 && Problems.Count == 0 && Lines.All(line => line.Problem is null);
}

/// <summary>The bounds of one order.</summary>
/// <param name="MaxLines">The most lines.</param>
/// <param name="MaxQuantity">The most of one article.</param>
/// <param name="Currency">The currency of an order whose lines have none.</param>
internal sealed record OrderLimits(int MaxLines, int MaxQuantity, string Currency);
