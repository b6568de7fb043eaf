namespace Postroom.Mail;

/// <summary>What a server said of one mail (RFC 3501 §7.4.2).</summary>
/// <param name="Uid">Its UID.</param>
internal sealed record ImapMail(uint Uid)
{
    /// <summary>Its flags and keywords; null when they were not told.</summary>
    public IReadOnlyList<string>? Flags { get; init; }

    /// <summary>When the mailbox got it; null when that was not told.</summary>
    public DateTimeOffset? InternalDate { get; init; }

    /// <summary>Its length in bytes; null when that was not told.</summary>
    public long? Size { get; init; }

    /// <summary>The mail, or the part of it that was asked for; null when that was not told, or it is gone.</summary>
    public ReadOnlyMemory<byte>? Body { get; init; }

    /// <summary>The headers; null when they were not asked for.</summary>
    public ReadOnlyMemory<byte>? Header { get; init; }

    /// <summary>Whether it has a flag, in any case.</summary>
    public bool Has(string flag) => Flags?.Contains(flag, StringComparer.OrdinalIgnoreCase) == true;

    /// <summary>What two answers say together.</summary>
    public ImapMail And(ImapMail later) => new(Uid)
    {
        Flags = later.Flags ?? Flags,
        InternalDate = later.InternalDate ?? InternalDate,
        Size = later.Size ?? Size,
        Body = later.Body ?? Body,
        Header = later.Header ?? Header,
    };

    /// <summary>Reads the list of a <c>FETCH</c> answer; null when it names no UID.</summary>
    public static ImapMail? Read(ImapValue list)
    {
        uint? uid = null;
        ImapMail mail = new(0);
        for (int i = 0; i + 1 < list.Items.Count; i += 2)
        {
            string name = list.Items[i].Text.ToUpperInvariant();
            ImapValue value = list.Items[i + 1];
            ReadOnlyMemory<byte>? bytes = value.Kind is ImapKind.Text or ImapKind.Atom ? value.Bytes : default(ReadOnlyMemory<byte>?); // "null" would be an empty memory
            switch (name)
            {
                case "UID":
                    uid = value.Number;
                    break;
                case "FLAGS":
                    mail = mail with { Flags = [.. value.Items.Select(flag => flag.Text)] };
                    break;
                case "INTERNALDATE":
                    mail = mail with { InternalDate = DateOf(value.Text) };
                    break;
                case "RFC822.SIZE":
                    mail = mail with { Size = value.Number };
                    break;
                case "BODY[HEADER]" or "RFC822.HEADER":
                    mail = mail with { Header = bytes };
                    break;
                case "BODY[]" or "RFC822":
                    mail = mail with { Body = bytes };
                    break;
                default:
                    mail = name.StartsWith("BODY[]<", StringComparison.Ordinal) ? mail with { Body = bytes }
                        : name.StartsWith("BODY[HEADER.FIELDS", StringComparison.Ordinal) ? mail with { Header = bytes } : mail;
                    break;
            }
        }

        return uid is { } known and > 0 ? mail with { Uid = known } : null;
    }

    /// <summary>For example <c> 3-Nov-2025 10:02:00 +0100</c>; the day may have a blank in front.</summary>
    private static DateTimeOffset? DateOf(string text)
    {
        string trimmed = text.Trim();
        return trimmed.Split(' ') is [var day, ..] ? MailDate.Read($"{day.Replace('-', ' ')}{trimmed[day.Length..]}") : null;
    }
}
