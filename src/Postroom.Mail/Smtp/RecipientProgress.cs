namespace Postroom.Mail;

/// <summary>What earlier transactions of a message settled, so that a retry is for the other recipients only (EM-7).</summary>
/// <remarks>
/// Each transaction leaves texts of the form <c>sent a@x b@y</c> and <c>refused 5.1.1 c@z</c>; addresses hold no blanks.
/// </remarks>
internal sealed class RecipientProgress
{
    private const string Sent = "sent";
    private const string Refused = "refused";

    private readonly Dictionary<string, RecipientResult> _settled = new(StringComparer.Ordinal);

    /// <summary>Reads what was saved; a text of another form is passed over.</summary>
    public static RecipientProgress Read(IReadOnlyList<string> saved)
    {
        RecipientProgress progress = new();
        foreach (string text in saved)
        {
            switch (text.Split(' '))
            {
                case [Sent, .. var taken]:
                    foreach (string address in taken)
                    {
                        progress._settled[address] = new RecipientResult(address, Accepted: true);
                    }

                    break;
                case [Refused, var code, .. var refused]:
                    foreach (string address in refused)
                    {
                        progress._settled[address] = new RecipientResult(address, Accepted: false, code);
                    }

                    break;
            }
        }

        return progress;
    }

    /// <summary>Whether somebody has the mail.</summary>
    public bool HasTaken => _settled.Values.Any(result => result.Accepted);

    /// <summary>What was settled for a recipient; null when it is still open.</summary>
    public RecipientResult? Of(Mailbox recipient) => _settled.GetValueOrDefault(recipient.Address);

    /// <summary>Notes the results of one transaction that need no retry, and saves them when asked to.</summary>
    public async ValueTask AddAsync(IReadOnlyList<SmtpResult> results, DeliveryContext? saveTo, CancellationToken cancellationToken)
    {
        SmtpResult[] taken = [.. results.Where(result => result.Reply.IsDone)];
        SmtpResult[] refused = [.. results.Where(result => !result.Reply.IsDone && SmtpFailures.IsFinal(result.Reply))];
        foreach (SmtpResult result in taken.Concat(refused))
        {
            _settled[result.Recipient.Address] = new RecipientResult(result.Recipient.Address, result.Reply.IsDone, result.Reply.ToString());
        }

        if (saveTo is null)
        {
            return;
        }

        if (taken.Length > 0)
        {
            await saveTo.SaveProgressAsync($"{Sent} {Addresses(taken)}", cancellationToken);
        }

        foreach (IGrouping<string, SmtpResult> group in refused.GroupBy(result => result.Reply.StatusCode))
        {
            await saveTo.SaveProgressAsync($"{Refused} {group.Key} {Addresses(group)}", cancellationToken);
        }
    }

    private static string Addresses(IEnumerable<SmtpResult> results) => string.Join(' ', results.Select(result => result.Recipient.Address));
}
