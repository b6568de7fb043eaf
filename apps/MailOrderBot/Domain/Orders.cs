namespace MailOrderBot.Domain;

/// <summary>How an order stands (MB-5).</summary>
internal static class OrderStatus
{
    /// <summary>Good, and its stock is taken.</summary>
    public const string Confirmed = "confirmed";

    /// <summary>The customer was asked.</summary>
    public const string Clarification = "clarification";

    /// <summary>Taken back.</summary>
    public const string Cancelled = "cancelled";

    /// <summary>A person has to look.</summary>
    public const string NeedsPerson = "needs-person";
}

/// <summary>A CSV file that came with an order.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Data">Its bytes.</param>
/// <param name="Charset">The declared charset; null for none.</param>
internal sealed record OrderFile(string Name, ReadOnlyMemory<byte> Data, string? Charset);

/// <summary>A mail that a mail server could not deliver.</summary>
/// <param name="Letter">The part of its id before the at sign, which the shop chose when it is a letter.</param>
/// <param name="Recipient">Who did not get it; empty when the server does not say.</param>
/// <param name="Reason">Why, in the words of the server.</param>
internal sealed record Undelivered(string Letter, string Recipient, string Reason);

/// <summary>A mail from a customer, as the desk sees it.</summary>
internal sealed record OrderMail
{
    /// <summary>What makes the mail this one: a repeat has the same.</summary>
    public required string Key { get; init; }

    /// <summary>The thread it belongs to.</summary>
    public required string Conversation { get; init; }

    /// <summary>The ids of the mails it answers, the latest first.</summary>
    public IReadOnlyList<string> Answers { get; init; } = [];

    /// <summary>The address of its writer, in lower case.</summary>
    public required string Sender { get; init; }

    /// <summary>The writer's name; empty for none.</summary>
    public string SenderName { get; init; } = "";

    /// <summary>The subject.</summary>
    public string Subject { get; init; } = "";

    /// <summary>The text.</summary>
    public string Text { get; init; } = "";

    /// <summary>The CSV files.</summary>
    public IReadOnlyList<OrderFile> Files { get; init; } = [];

    /// <summary>What is wrong with the mail as a whole, such as files that were too long; empty for nothing.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>What the letter is to say beside, such as of files that are not read; empty for nothing.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Why nobody is to answer it; null when it may be answered (MB-15).</summary>
    public string? Ignored { get; init; }

    /// <summary>What it reports as not delivered; null for none.</summary>
    public Undelivered? Undelivered { get; init; }

    /// <summary>What it asks for: of the file when there is one, else of the text.</summary>
    /// <param name="cancellationToken">Ends it between two lines of the text.</param>
    public OrderRequest ReadRequest(CancellationToken cancellationToken)
    {
        OrderRequest body = BodyOrderReader.Read(Text, Files.Count > 0, cancellationToken);
        OrderRequest request = Files switch
        {
            [] => body,
            [var file] => CsvOrderReader.Read(file.Name, file.Data.Span, file.Charset) is var read
                ? body with { Lines = read.Lines, Rest = [], Note = Both(body.Note, read.Note), Problems = [.. body.Problems, .. read.Problems], Beside = new OrderRequest { Lines = body.Lines, Rest = body.Rest } }
                : body,
            _ => body with { Lines = [], Rest = [], Problems = [.. body.Problems, $"The mail has {Files.Count} CSV files ({string.Join(", ", Files.Take(5).Select(file => file.Name))}), and only one can be the order. Please send one."] },
        };
        string? cancelled = OrderNumber.ReadCancel(Subject);
        bool isOwnSubject = !MailWords.IsAnswer(Subject) && cancelled is null;
        return request with
        {
            Problems = [.. Problems, .. request.Problems],
            Remarks = Remarks,
            Cancels = cancelled is null ? request.Cancels : [.. request.Cancels.Prepend(cancelled).Distinct(StringComparer.Ordinal)],
            CancelWords = isOwnSubject && MailWords.SpeaksOfCancelling(Subject) ? Subject : request.CancelWords,
            NoOrderWords = isOwnSubject && MailWords.IsNoOrder(Subject) ? Subject : request.NoOrderWords,
            Forwards = request.Forwards || MailWords.IsForward(Subject),
        };
    }

    private static string? Both(string? one, string? other) => one is null ? other : other is null ? one : $"{one}\n{other}";
}

/// <summary>An order as it is stored.</summary>
internal sealed record Order
{
    /// <summary>The key of its row; 0 before it has one.</summary>
    public long Id { get; init; }

    /// <summary>Its number.</summary>
    public required string Number { get; init; }

    /// <summary>Whose it is: an address in lower case.</summary>
    public required string Customer { get; init; }

    /// <summary>How it stands; see <see cref="OrderStatus"/>.</summary>
    public required string Status { get; init; }

    /// <summary>The customer's own number or word; null for none.</summary>
    public string? Reference { get; init; }

    /// <summary>Where it goes; null for where it always goes.</summary>
    public string? ShipTo { get; init; }

    /// <summary>What else the customer said; null for nothing.</summary>
    public string? Note { get; init; }

    /// <summary>When it last changed.</summary>
    public DateTimeOffset UpdatedAt { get; init; }
}
