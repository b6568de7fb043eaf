namespace Postroom.Mail;

/// <summary>Which senders a mailbox takes mail from: addresses in which a star stands for any text, without case.</summary>
internal sealed class SenderPatterns(IReadOnlyList<string> patterns)
{
    /// <summary>Whether mail of an address is taken; all is when there are no patterns.</summary>
    public bool Accept(string? address) => patterns.Count == 0 || (address is not null && patterns.Any(pattern => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, address, ignoreCase: true)));
}
