using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using MailOrderBot.Domain;

namespace MailOrderBot.Services;

/// <summary>The letters to customers (MB-10 to MB-13). The same order gives the same letter.</summary>
/// <param name="options">The settings.</param>
/// <param name="before">Paragraphs that stand before what a letter says; empty for none.</param>
internal sealed class Letters(MailOrderOptions options, params IReadOnlyList<string> before)
{
    private const int MostListed = 100;
    private const int LongestQuoted = 300;

    /// <summary>The local part of the Message-ID of the answer to a mail.</summary>
    public static string IdFor(string mailKey) => $"mo-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(mailKey)))[..24]}";

    /// <summary>The order is taken.</summary>
    /// <param name="order">The order.</param>
    /// <param name="content">Its lines.</param>
    /// <param name="mail">The mail that is answered.</param>
    /// <param name="addsTo">The order of the same thread that stands beside it; null for none.</param>
    public Letter Confirmed(Order order, CheckedOrder content, OrderMail mail, string? addsTo)
    {
        LetterWriter letter = Begin(mail)
            .Paragraph($"{ShopLetter.Thanks}{order.Number}. It is confirmed:")
            .Table([.. content.Lines.Select(line => Row(line, content.Currency))], true, false, false, true, true)
            .Table(
                [
                    ["Net", Money.Format(content.NetMinor, content.Currency)],
                    ["Tax", Money.Format(content.TaxMinor, content.Currency)],
                    ["Total", Money.Format(content.GrossMinor, content.Currency)],
                ],
                false,
                true);
        Details(letter, order);
        letter = content.Remarks.Aggregate(letter, static (written, one) => written.Paragraph(one));
        if (addsTo is not null)
        {
            letter.Paragraph($"It comes in addition to {addsTo}, which stays as it is.");
        }

        if (options.CancelWindow > TimeSpan.Zero)
        {
            letter.Paragraph($"{ShopLetter.ToCancel}it, answer within {Words(options.CancelWindow)} with this line:\nCANCEL {order.Number}");
        }

        return End(letter, mail);
    }

    /// <summary>Something is unclear.</summary>
    /// <param name="order">The order.</param>
    /// <param name="content">Its lines.</param>
    /// <param name="mail">The mail that is answered.</param>
    /// <param name="forwards">Whether a mail is forwarded in it.</param>
    public Letter Clarification(Order order, CheckedOrder content, OrderMail mail, bool forwards)
    {
        LetterWriter letter = Begin(mail);
        if (content.Lines.Count == 0 && content.Problems.Count == 0)
        {
            letter.Paragraph($"{ShopLetter.NothingFound}, so nothing is ordered yet. We keep it as {order.Number}.");
        }
        else
        {
            letter.Paragraph($"{ShopLetter.Thanks}{order.Number}. Something in it is unclear, so nothing is ordered yet.");
        }

        if (content.Lines.Count == 0 && forwards)
        {
            letter.Paragraph("A forwarded mail is not read. Please write the lines of the order above it, or send them in a mail of their own.");
        }

        if (content.Problems.Count > 0)
        {
            letter.List(content.Problems);
        }

        if (content.Lines.Count > 0)
        {
            letter.Paragraph("Your lines:").List([.. content.Lines.Take(MostListed).Select(line => Describe(line, content.Currency)), .. More(content.Lines.Count)]);
        }

        letter = content.Remarks.Aggregate(letter, static (written, one) => written.Paragraph(one));
        return End(HowToOrder(letter, content.Lines.Count > 0), mail);
    }

    /// <summary>A person will look.</summary>
    public Letter NeedsPerson(Order order, OrderMail mail) =>
        End(Begin(mail).Paragraph($"{ShopLetter.NotMadeOut}{order.Number} by ourselves. One of us will read your mails and answer you; nothing is ordered until then."), mail);

    /// <summary>A person will look, because the mail has words that no order has.</summary>
    /// <param name="order">The order that it became; null when it became none.</param>
    /// <param name="words">The line with the words.</param>
    /// <param name="mail">The mail that is answered.</param>
    public Letter ForPerson(Order? order, string words, OrderMail mail) =>
        End(Begin(mail).Paragraph($"{ShopLetter.NoOrder}, because it says:\n{Quoted(words)}").Paragraph($"One of us will read it and answer you; nothing is ordered by it{(order is null ? "" : $". We keep it as {order.Number}")}."), mail);

    /// <summary>Orders are taken back, or cannot be.</summary>
    /// <param name="said">What became of each.</param>
    /// <param name="isRefused">Whether one of them could not be taken back.</param>
    /// <param name="mail">The mail that is answered.</param>
    public Letter Cancellations(IReadOnlyList<string> said, bool isRefused, OrderMail mail)
    {
        LetterWriter letter = said.Aggregate(Begin(mail), static (letter, one) => letter.Paragraph(one));
        return End(isRefused ? letter.Paragraph("If that is not what you expect, answer this mail; one of us reads it.") : letter, mail);
    }

    /// <summary>What a letter says of an order that was taken back.</summary>
    public static string Cancelled(Order order) =>
        $"your order {order.Number} is cancelled. {(order.Status == OrderStatus.Confirmed ? "It will not be sent, and there is nothing to pay." : "It had not been confirmed yet; there is nothing to pay.")}";

    /// <summary>How an order is cancelled, for somebody who seems to want that.</summary>
    /// <param name="words">The line that speaks of it.</param>
    /// <param name="number">The order that is meant; null when that is not known.</param>
    /// <param name="mail">The mail that is answered.</param>
    public Letter HowToCancel(string words, string? number, OrderMail mail) => End(
        Begin(mail).Paragraph($"nothing is cancelled yet. You wrote:\n{Quoted(words)}")
            .Paragraph($"{ShopLetter.ToCancel}your order, send a mail with this line{(number is null ? ", with the number of the order" : "")}:\nCANCEL {number ?? "MO-YEAR-NUMBER"}")
            .Paragraph("One of us reads your mail too."),
        mail);

    /// <summary>What operators are told of a letter that did not arrive.</summary>
    /// <param name="order">The number of its order; null for none.</param>
    /// <param name="recipient">Who did not get it; empty when that is not known.</param>
    /// <param name="reason">Why, in the words of the server.</param>
    public static Notice NotDelivered(string? order, string recipient, string reason) =>
        new(NoticeLevel.Warning, $"{order ?? "A letter"}: the letter to {(recipient.Length > 0 ? recipient : "the customer")} was not delivered ({reason}). Tell the customer in another way.");

    /// <summary>A time for people, such as <c>30 minutes</c>.</summary>
    internal static string Words(TimeSpan time)
    {
        (long count, string unit) = time.Ticks % TimeSpan.TicksPerDay == 0 && time.Ticks > 0 ? ((long)time.TotalDays, "day")
            : time.Ticks % TimeSpan.TicksPerHour == 0 && time.Ticks > 0 ? ((long)time.TotalHours, "hour")
            : time.Ticks % TimeSpan.TicksPerMinute == 0 ? ((long)time.TotalMinutes, "minute")
            : ((long)Math.Ceiling(time.TotalSeconds), "second");
        return string.Create(CultureInfo.InvariantCulture, $"{count} {unit}{(count == 1 ? "" : "s")}");
    }

    private LetterWriter Begin(OrderMail mail)
    {
        string name = mail.SenderName.Trim();
        LetterWriter letter = new LetterWriter().Paragraph(name.Length is 0 or > 80 ? "Hello," : $"Hello {name},");
        return before.Aggregate(letter, static (begun, one) => begun.Paragraph(one));
    }

    private static string Quoted(string words) => $"\"{(words.Length <= LongestQuoted ? words : $"{words[..(char.IsHighSurrogate(words[LongestQuoted - 1]) ? LongestQuoted - 1 : LongestQuoted)]}…")}\"";

    private Letter End(LetterWriter letter, OrderMail mail) => (options.Signature.Trim().Length > 0 ? letter.Paragraph(options.Signature) : letter).ToLetter(IdFor(mail.Key));

    private static string[] Row(CheckedLine line, string currency) =>
    [
        string.Create(CultureInfo.InvariantCulture, $"{line.Quantity} x"), line.Product!.Sku, line.Product.Name,
        $"{Money.Format(line.Product.PriceMinor, currency)} + {Money.FormatRate(line.Product.TaxBasisPoints)}", Money.Format(line.NetMinor, currency),
    ];

    private static void Details(LetterWriter letter, Order order) =>
        letter.Titled("Ship to:", order.ShipTo).Titled("Your reference:", order.Reference).Titled("Your note:", order.Note);

    private static string Describe(CheckedLine line, string currency)
    {
        if (line.Problem is not { } problem)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{line.Raw}\nis fine: {line.Quantity} x {line.Product!.Sku} {line.Product.Name}, {Money.Format(line.NetMinor, currency)}");
        }

        string suggestions = problem.Suggestions.Count == 0 ? "" : $"\nDid you mean {string.Join(" or ", problem.Suggestions.Select(product => $"{product.Sku} ({product.Name})"))}?";
        string available = line.Product is { } found ? string.Create(CultureInfo.InvariantCulture, $"\n{found.Sku} {found.Name}: {Money.Format(found.PriceMinor, found.Currency)} each, {found.Stock} available{(found.PackSize > 1 ? $", in packs of {found.PackSize}" : "")}") : "";
        return $"{line.Raw}\nis not clear: {problem.Text}{suggestions}{available}";
    }

    private static IEnumerable<string> More(int count) => count > MostListed ? [string.Create(CultureInfo.InvariantCulture, $"and {count - MostListed} more lines")] : [];

    private static LetterWriter HowToOrder(LetterWriter letter, bool again) => letter
        .Paragraph(ShopLetter.HowToAnswer + (again ? "all lines of the order as they shall be; they replace the ones above. Write each like one of these:" : "the order, each line like one of these:"))
        .Paragraph(string.Join('\n', ShopLetter.Examples))
        .Paragraph("You may add lines that begin with Reference:, Ship to: or Note:. Or attach one CSV file whose first row names the columns sku and quantity.");
}
