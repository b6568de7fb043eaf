namespace MailOrderBot.Domain;

/// <summary>An article of the catalogue as it is now.</summary>
internal sealed record Product
{
    /// <summary>The article number.</summary>
    public required string Sku { get; init; }

    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>Other words for it.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>What is counted, such as <c>piece</c>.</summary>
    public string Unit { get; init; } = "piece";

    /// <summary>The net price of one in minor units.</summary>
    public long PriceMinor { get; init; }

    /// <summary>The currency of the price.</summary>
    public required string Currency { get; init; }

    /// <summary>The tax rate in basis points: 700 is 7 %.</summary>
    public int TaxBasisPoints { get; init; }

    /// <summary>How many are packed together; only multiples are sold. At least 1.</summary>
    public int PackSize { get; init; } = 1;

    /// <summary>How many there are.</summary>
    public long Stock { get; init; }

    /// <summary>Whether it is sold.</summary>
    public bool Active { get; init; } = true;
}
