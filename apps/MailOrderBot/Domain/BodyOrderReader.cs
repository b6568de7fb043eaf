using System.Text;
using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>Reads an order from the text of a mail (MB-7): order lines, <c>Reference:</c>, <c>Ship to:</c> and <c>Note:</c>; what is quoted or below the signature is left out.</summary>
internal static partial class BodyOrderReader
{
    private const int MaxLine = 300;
    private const int MaxField = 1_000;

    /// <summary>Reads a text. Never fails; what orders nothing has no lines.</summary>
    /// <param name="text">The text.</param>
    /// <param name="isBesideFile">Whether the order is a file: the letter may close before any order line.</param>
    /// <param name="cancellationToken">Ends it between two lines: of lines that are made for it, as many as are read take seconds.</param>
    public static OrderRequest Read(string text, bool isBesideFile = false, CancellationToken cancellationToken = default)
    {
        OwnText own = OwnText.Of(text);
        Reading reading = new(isBesideFile);
        foreach (string line in own.Lines)
        {
            cancellationToken.ThrowIfCancellationRequested();
            reading.Take(line);
        }

        return reading.ToRequest(own);
    }

    /// <summary>What a line may order; null when it has no quantity beside a text.</summary>
    internal static RequestedLine? ReadLine(string line)
    {
        string whole = WithoutEmphasis(line.Trim());
        string text = WithoutEmphasis(Bullet().Replace(whole, "", 1).Trim());
        if (text.Length is 0 or > MaxLine)
        {
            return null;
        }

        List<LineReading> readings = [];
        bool certain = false;
        foreach (Match match in (Match[])[QuantityFirst().Match(text), QuantityLast().Match(text), QuantityInBrackets().Match(text)])
        {
            if (match.Success)
            {
                certain |= match.Groups["x"].Success;
                readings.Add(new LineReading(match.Groups["a"].Value.Trim(), match.Groups["n"].Value));
            }
        }

        readings.RemoveAll(reading => !reading.Article.Any(char.IsLetterOrDigit));
        return readings.Count == 0 ? null : new RequestedLine(text, readings) { IsCertain = certain, IsItem = IsItem(whole) };
    }

    private static RequestedLine Unread(string line) => new(Bullet().Replace(line, "", 1).Trim(), []) { IsItem = IsItem(line) };

    /// <summary>Whether a line is a row of a table or stands behind a bullet, which sentences do not.</summary>
    private static bool IsItem(string line) => line.Contains('\t', StringComparison.Ordinal) || Bullet().IsMatch(line);

    /// <summary>A line without the signs that mark words as bold or slanted: mail programs write HTML as plain text with them.</summary>
    internal static string WithoutEmphasis(string line)
    {
        // Twice, since a blank between two marked words belongs to the first match.
        string plain = line.Contains('*', StringComparison.Ordinal) ? Stars().Replace(Stars().Replace(line, "$1$2$3"), "$1$2$3") : line;
        return plain.Contains('_', StringComparison.Ordinal) ? Underscores().Replace(Underscores().Replace(plain, "$1$2$3"), "$1$2$3") : plain;
    }

    private static string? Field(string? value)
    {
        string text = (value ?? "").Trim();
        return text.Length == 0 ? null : text.Length <= MaxField ? text : text[..(char.IsHighSurrogate(text[MaxField - 1]) ? MaxField - 1 : MaxField)];
    }

    private static void AppendLine(StringBuilder address, string line)
    {
        if (line.Length > 0 && address.Length <= MaxField)
        {
            address.Append(address.Length > 0 ? "\n" : "").Append(line);
        }
    }

    /// <summary>What was read of a text so far.</summary>
    /// <param name="isBesideFile">See <see cref="Read"/>.</param>
    private sealed class Reading(bool isBesideFile)
    {
        private readonly List<RequestedLine> _lines = [];
        private readonly List<RequestedLine> _rest = [];
        private readonly List<StringBuilder> _addresses = [];
        private readonly List<string> _cancels = [];
        private readonly TableReader _table = new();
        private string? _reference;
        private string? _note;
        private string? _cancelWords;
        private string? _noOrderWords;
        private bool _inAddress;
        private bool _isBelowClosing;
        private int _position;

        /// <summary>Reads the next line.</summary>
        /// <param name="raw">The line with the blanks it begins with.</param>
        public void Take(string raw)
        {
            string line = WithoutEmphasis(raw.Trim());
            _position++;
            Match label = Label().Match(line);
            if (OrderNumber.ReadCancel(line) is { } number)
            {
                _cancels.Add(number);
            }
            else if (label.Success)
            {
                TakeLabel(label.Groups[1].Value, label.Groups[2].Value.Trim());
            }
            else if (_inAddress && line.Length > 0)
            {
                AppendLine(_addresses[^1], line);
                Add(Unread(line) with { IsInAddress = true });
            }
            else
            {
                _inAddress = false;
                TakeText(raw, line);
            }
        }

        /// <summary>The request.</summary>
        public OrderRequest ToRequest(OwnText own)
        {
            List<string> problems = [];
            string[] addresses = [.. _addresses.Select(static address => address.ToString()).Where(static address => address.Length > 0).Distinct(StringComparer.OrdinalIgnoreCase)];
            if (addresses.Length > 1)
            {
                problems.Add($"Your mail has {addresses.Length} addresses to deliver to, and an order goes to one. Please send an order for each in a mail of its own.");
            }

            if (own.IsCut)
            {
                problems.Add($"Your mail has more than {OwnText.MaxLines} lines; what follows was not read. Please split the order.");
            }

            return new OrderRequest
            {
                Lines = _lines,
                Rest = _rest,
                Reference = _reference,
                Note = _note,
                ShipTo = Field(addresses.FirstOrDefault()),
                Cancels = [.. _cancels.Distinct(StringComparer.Ordinal)],
                CancelWords = _cancelWords,
                NoOrderWords = _noOrderWords,
                Forwards = own.Forwards,
                Problems = problems,
            };
        }

        private void TakeLabel(string label, string value)
        {
            _inAddress = false;
            switch (label.ToUpperInvariant())
            {
                case "REFERENCE":
                    _reference ??= Field(value);
                    break;
                case "NOTE":
                    _note = _note is null ? Field(value) : Field($"{_note}\n{value}");
                    break;
                default:
                    _inAddress = true;
                    _addresses.Add(new StringBuilder());
                    AppendLine(_addresses[^1], value);
                    break;
            }
        }

        private void TakeText(string raw, string line)
        {
            if (_table.TryTake(raw, out RequestedLine? row))
            {
                if (row is not null)
                {
                    Add(row);
                }
            }
            else if (line.Length > 0)
            {
                _isBelowClosing = !MailWords.IsPostscript(line) && (_isBelowClosing || ((isBesideFile || _lines.Count > 0 || _rest.Count > 1) && MailWords.Closes(line))); // behind a greeting and a sentence, which may be the order
                if (!_isBelowClosing)
                {
                    _cancelWords ??= MailWords.SpeaksOfCancelling(line) ? line : null;
                    _noOrderWords ??= MailWords.IsNoOrder(line) ? line : null;
                }

                Add(ReadLine(line) ?? Unread(line));
            }
        }

        private void Add(RequestedLine line) => (line.Readings.Count > 0 ? _lines : _rest).Add(line with { Position = _position, IsBelowClosing = _isBelowClosing });
    }

    [GeneratedRegex(@"^(reference|ship to|delivery address|shipping address|deliver to|delivery to|lieferadresse|lieferanschrift|versandadresse|versand an|lieferung an|note)\s*:(.*)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Label();

    [GeneratedRegex(@"^([-*–]\s+|[•·▪◦‣●]\s*|\d{1,3}[.)]\s+)+", RegexOptions.NonBacktracking)]
    private static partial Regex Bullet();

    [GeneratedRegex(@"(^|\s)\*{1,2}([^\s*](?:[^*]*[^\s*])?)\*{1,2}($|[\s:,.;])", RegexOptions.NonBacktracking)]
    private static partial Regex Stars();

    [GeneratedRegex(@"(^|\s)_{1,2}([^\s_](?:[^_]*[^\s_])?)_{1,2}($|[\s:,.;])", RegexOptions.NonBacktracking)]
    private static partial Regex Underscores();

    // 3 x TEA-001, 3x TEA-001, 3 TEA-001, Qty: 3 TEA-001
    [GeneratedRegex(@"^(?:(?<x>qty|quantity|amount|menge|anzahl)\b\.?\s*[:=]?\s*)?(?<n>[+-]?\d+(?:[.,]\d+)?)(?:(?<x>[xX×*])\s*|\s+(?<x>[xX])\s+|\s+(?<x>[×*])\s*|\s+)(?:(?:pcs\.?|pieces?|units?|stück|stücke|stueck|stk\.?|st\.)\s+(?:of\s+)?)?(?<a>\S.*)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex QuantityFirst();

    // TEA-001 3, TEA-001: 3, TEA-001 x 3, TEA-001, qty 3
    [GeneratedRegex(@"^(?<a>\S.*?)(?:\s*[,;]?\s+(?<x>qty|quantity|amount|menge|anzahl)\b\.?\s*[:=]?\s*|\s*:\s*|\s+(?<x>[xX×*])\s*|\s+)(?<n>[+-]?\d+(?:[.,]\d+)?)\s*(?:(?:pcs\.?|pieces?|units?|stück|stücke|stueck|stk\.?|st\.)|[x×])?$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex QuantityLast();

    // TEA-001 (3), TEA-001 [x3]
    [GeneratedRegex(@"^(?<a>\S.*?)\s*[(\[]\s*(?:(?<x>[x×])\s*)?(?<n>[+-]?\d+(?:[.,]\d+)?)\s*(?:(?:pcs\.?|pieces?|units?|stück|stücke|stueck|stk\.?|st\.)|[x×])?\s*[)\]]$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex QuantityInBrackets();
}
