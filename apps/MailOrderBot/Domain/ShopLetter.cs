namespace MailOrderBot.Domain;

/// <summary>What the shop's own letters are known by when a customer's program quotes them without a mark. The letters are written with the same words.</summary>
internal static class ShopLetter
{
    /// <summary>How a letter begins that answers an order; the number follows.</summary>
    public const string Thanks = "thank you for your order ";

    /// <summary>How a letter begins that found nothing to order.</summary>
    public const string NothingFound = "thank you for your mail. We found no order lines in it";

    /// <summary>How a letter begins that leaves the order to a person; the number follows.</summary>
    public const string NotMadeOut = "we could not make out your order ";

    /// <summary>How a letter begins that leaves to a person what does not read as an order.</summary>
    public const string NoOrder = "we do not take your mail for an order";

    /// <summary>How a letter says how to cancel.</summary>
    public const string ToCancel = "To cancel ";

    /// <summary>How a letter asks for the lines.</summary>
    public const string HowToAnswer = "Please answer this mail with ";

    /// <summary>How order lines look. No article has such a number, and the lines are no order where they are quoted.</summary>
    public static IReadOnlyList<string> Examples { get; } = ["3 x ARTICLE", "ARTICLE: 3", "3 name of the article"];

    private static readonly string[] Openings = [$"{Thanks}MO-", NothingFound, $"{NotMadeOut}MO-", NoOrder, $"{ToCancel}it, answer within ", $"{ToCancel}your order, send a mail with this line", HowToAnswer];

    /// <summary>Whether a line is one that only the shop writes.</summary>
    public static bool Has(string line) => Openings.Any(opening => line.StartsWith(opening, StringComparison.Ordinal)) || Examples.Contains(line, StringComparer.Ordinal);
}
