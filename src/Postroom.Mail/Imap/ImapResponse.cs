namespace Postroom.Mail;

/// <summary>One answer of an IMAP server (RFC 3501 §7).</summary>
internal sealed record ImapResponse
{
    /// <summary>The tag of the command that it ends; <c>*</c> for data, <c>+</c> when the server asks for more.</summary>
    public required string Tag { get; init; }

    /// <summary>What it is, upper case: <c>OK</c>, <c>NO</c>, <c>BAD</c>, <c>BYE</c>, <c>PREAUTH</c>, <c>EXISTS</c>, <c>FETCH</c>, … Empty for <c>+</c>.</summary>
    public string Name { get; init; } = "";

    /// <summary>The number in front of the name; null for none.</summary>
    public uint? Number { get; init; }

    /// <summary>What follows the name; empty for a status, and for data that nobody knows here.</summary>
    public IReadOnlyList<ImapValue> Values { get; init; } = [];

    /// <summary>The results of <c>SEARCH</c> as they came; empty for anything else.</summary>
    public IReadOnlyList<uint> Numbers { get; init; } = [];

    /// <summary>The name of a status's response code, upper case, for example <c>UIDVALIDITY</c>; empty for none.</summary>
    public string Code { get; init; } = "";

    /// <summary>What stands behind the code's name.</summary>
    public string CodeArgument { get; init; } = "";

    /// <summary>The text of a status or of <c>+</c>.</summary>
    public string Text { get; init; } = "";

    /// <summary>Whether it asks for more.</summary>
    public bool IsContinuation => Tag == "+";

    /// <summary>Whether it says how something went.</summary>
    public bool IsStatus => Name is "OK" or "NO" or "BAD" or "BYE" or "PREAUTH";
}
