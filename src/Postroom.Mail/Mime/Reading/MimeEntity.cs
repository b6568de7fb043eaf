namespace Postroom.Mail;

/// <summary>One header as it stands in the mail.</summary>
/// <param name="Name">The name as written.</param>
/// <param name="Value">The bytes behind the colon, unfolded, without blanks at the ends.</param>
internal readonly record struct RawHeader(string Name, ReadOnlyMemory<byte> Value)
{
    /// <summary>Whether it is the header of this name.</summary>
    public bool Is(string name) => string.Equals(Name, name, StringComparison.OrdinalIgnoreCase);
}

/// <summary>One entity of a mail (RFC 2045 §2.4): headers, and a body that is a text or file, or parts, or a mail.</summary>
internal sealed class MimeEntity
{
    /// <summary>Its headers, in order.</summary>
    public required IReadOnlyList<RawHeader> Headers { get; init; }

    /// <summary>What the body is.</summary>
    public required ContentHeader Type { get; init; }

    /// <summary>How the body is to be shown; null when nothing is said.</summary>
    public ContentHeader? Disposition { get; init; }

    /// <summary>How the body is put into lines, lower case; <c>7bit</c> unless said.</summary>
    public required string TransferEncoding { get; init; }

    /// <summary>The body as it stands in the mail, still encoded; without preamble and parts it is empty.</summary>
    public ReadOnlyMemory<byte> Body { get; set; }

    /// <summary>The parts of a multipart body; empty for any other.</summary>
    public IReadOnlyList<MimeEntity> Parts { get; set; } = [];

    /// <summary>The mail inside a <c>message/rfc822</c> body that was read; null for any other.</summary>
    public MimeEntity? Mail { get; set; }

    /// <summary>The first header of a name; null when it is absent.</summary>
    public ReadOnlyMemory<byte>? Header(string name)
    {
        foreach (RawHeader header in Headers)
        {
            if (header.Is(name))
            {
                return header.Value;
            }
        }

        return null;
    }
}
