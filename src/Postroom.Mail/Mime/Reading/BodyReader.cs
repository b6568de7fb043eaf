using System.Text;

namespace Postroom.Mail;

/// <summary>Finds text, HTML and files in the parts of a mail.</summary>
/// <param name="problems">Gets what is wrong.</param>
internal sealed class BodyReader(Problems problems)
{
    private const int MostRows = 2_000;

    private readonly StringBuilder _text = new();
    private readonly StringBuilder _html = new();
    private readonly List<Attachment> _files = [];
    private readonly Dictionary<MimeEntity, string> _compared = new(ReferenceEqualityComparer.Instance); // decoded once, though looked at before they are read
    private long _fileBytes;

    /// <summary>The text to read: of each part that comes in several forms the plain one, unless the HTML has tables or struck out text that it cannot show; else what the HTML says.</summary>
    public string Text => _text.ToString();

    /// <summary>The HTML; null for none.</summary>
    public string? Html => _html.Length > 0 ? _html.ToString() : null;

    /// <summary>The files.</summary>
    public IReadOnlyList<Attachment> Attachments => _files;

    /// <summary>Whether files were left out because a message carries no more.</summary>
    public bool Overflowed { get; private set; }

    /// <summary>Reads a mail's parts.</summary>
    public void Read(MimeEntity entity) => Read(entity, hasPlain: false);

    private void Read(MimeEntity entity, bool hasPlain)
    {
        if (entity.Parts.Count > 0)
        {
            if (entity.Type.Value == "multipart/alternative")
            {
                ReadAlternative(entity.Parts, hasPlain);
            }
            else
            {
                foreach (MimeEntity part in entity.Parts)
                {
                    Read(part, hasPlain);
                }
            }
        }
        else if (entity.Type.Value.StartsWith("multipart/", StringComparison.Ordinal) && !IsFile(entity))
        {
            // Its boundary is unknown, or it holds nothing: what is there is shown.
            AppendText(_text, Decoded(entity));
        }
        else if (IsHtml(entity))
        {
            string html = Decoded(entity);
            AppendText(_html, html);
            if (!hasPlain)
            {
                AppendText(_text, HtmlText.WithoutStruck(html, out _));
            }
        }
        else if (!IsFile(entity) && entity.Type.Value.StartsWith("text/", StringComparison.Ordinal) && entity.Type.Value is not ("text/calendar" or "text/csv" or "text/x-vcard" or "text/vcard"))
        {
            AppendText(_text, Decoded(entity));
        }
        else
        {
            AddFile(entity);
        }
    }

    /// <summary>Keeps the raw mail beside the files, if a message carries it.</summary>
    public void KeepRaw(ReadOnlyMemory<byte> raw)
    {
        // The raw mail holds every file: when both are too much, it stays and they go.
        while (_files.Count > 0 && (_fileBytes + raw.Length > Attachment.MaxTotalLength || _files.Count >= Attachment.MaxCount) && raw.Length <= Attachment.MaxLength)
        {
            _fileBytes -= _files[^1].Length ?? 0;
            problems.Add($"The file '{_files[^1].Name}' is in {MailMessageReader.RawName} only.");
            _files.RemoveAt(_files.Count - 1);
        }

        if (raw.Length <= Attachment.MaxLength)
        {
            _files.Add(Attachment.FromBytes(MailMessageReader.RawName, raw, MailMessageReader.RawType));
        }
        else
        {
            problems.Add($"The raw mail has {raw.Length} bytes and is not kept; an attachment has at most {Attachment.MaxLength}.");
        }
    }

    /// <summary>
    /// Of the forms of one text, the first plain one and the last HTML are kept (RFC 2046 §5.1.4: the best comes last); files among them stay files. The HTML is read
    /// where it says more than the plain one. Other forms, such as
    /// AMP or those for watches, say the same once more. A plain text with nothing in it is none.
    /// </summary>
    private void ReadAlternative(IReadOnlyList<MimeEntity> parts, bool hasPlain)
    {
        int plain = hasPlain ? -1 : IndexOf(parts, HasPlain);
        int html = -1;
        for (int i = 0; i < parts.Count; i++)
        {
            html = IsHtml(parts[i]) ? i : html;
        }

        bool isPlainLess = !hasPlain && plain >= 0 && parts[plain].Parts.Count == 0 && parts.Select(HtmlIn).LastOrDefault(static found => found is not null) is { } page && SaysMore(page, parts[plain]);
        bool hasText = hasPlain || plain >= 0 || html >= 0 || parts.Any(static part => part.Parts.Count > 0);
        for (int i = 0; i < parts.Count; i++)
        {
            bool isOtherForm = parts[i].Parts.Count == 0 && !IsFile(parts[i]) && parts[i].Type.Value is not ("text/calendar" or "text/csv" or "text/x-vcard" or "text/vcard")
                && parts[i].Type.Value.StartsWith("text/", StringComparison.Ordinal) && i != html;
            if ((i == plain && !isPlainLess) || !isOtherForm || !hasText)
            {
                Read(parts[i], hasPlain || (plain >= 0 && i != plain && !isPlainLess));
            }
        }
    }

    private static int IndexOf(IReadOnlyList<MimeEntity> parts, Func<MimeEntity, bool> holds)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            if (holds(parts[i]))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Whether there is a plain text in a part, or in one of its own.</summary>
    private static bool HasPlain(MimeEntity entity) => entity.Parts.Count > 0
        ? entity.Parts.Any(HasPlain)
        : entity.Type.Value == "text/plain" && !IsFile(entity) && !entity.Body.Span.Trim(" \t\r\n"u8).IsEmpty;

    private static bool IsHtml(MimeEntity entity) => entity.Parts.Count == 0 && entity.Type.Value == "text/html" && !IsFile(entity);

    private static bool IsFile(MimeEntity entity) => entity.Disposition is { Value: "attachment" } || NameOf(entity) is not null;

    private static string? NameOf(MimeEntity entity) => entity.Disposition?.Parameter("filename") is { Length: > 0 } file ? file : entity.Type.Parameter("name") is { Length: > 0 } name ? name : null;

    private string Decoded(MimeEntity entity)
    {
        if (_compared.Remove(entity, out string? known))
        {
            return known;
        }

        ReadOnlyMemory<byte> bytes = TransferDecoding.Decode(entity.Body, entity.TransferEncoding, problems);
        string text = Charsets.DecodeText(bytes.Span, entity.Type.Parameter("charset"), problems);
        return entity.Type.Value == "text/plain" && string.Equals(entity.Type.Parameter("format"), "flowed", StringComparison.OrdinalIgnoreCase)
            ? FlowedText.Unflow(text, string.Equals(entity.Type.Parameter("delsp"), "yes", StringComparison.OrdinalIgnoreCase))
            : text;
    }

    /// <summary>
    /// Whether the HTML of two forms of a text says what the plain one cannot: something is struck out, or rows of a table are no lines in it, since its program
    /// wrote each cell into a line of its own.
    /// </summary>
    private bool SaysMore(MimeEntity html, MimeEntity plain)
    {
        (_compared[html], _compared[plain]) = (Decoded(html), Decoded(plain));
        string text = HtmlText.WithoutStruck(_compared[html], out bool hasStruck);
        if (hasStruck)
        {
            return true;
        }

        string[] rows = [.. text.Split('\n').Where(static line => line.AsSpan().Trim().Contains('\t') && !line.StartsWith('>')).Take(MostRows).Select(OneBlank)];
        if (rows.Length == 0)
        {
            return false;
        }

        HashSet<string> lines = new(_compared[plain].Split('\n').Select(OneBlank), StringComparer.Ordinal);
        return rows.Any(row => !lines.Contains(row));
    }

    private static string OneBlank(string line) => string.Join(' ', line.Split([' ', '\t', '\r', '\u00A0', '|', '*', '_'], StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The HTML in a part, or in one of its own; null when there is none.</summary>
    private static MimeEntity? HtmlIn(MimeEntity entity) => IsHtml(entity) ? entity : entity.Parts.Select(HtmlIn).FirstOrDefault(static found => found is not null);

    private static void AppendText(StringBuilder to, string text)
    {
        string lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n').Replace("\0", "", StringComparison.Ordinal);
        if (to.Length > 0 && to[^1] != '\n')
        {
            to.Append('\n');
        }

        to.Append(lines);
    }

    private void AddFile(MimeEntity entity)
    {
        ReadOnlyMemory<byte> bytes = TransferDecoding.Decode(entity.Body, entity.TransferEncoding, problems);
        string name = NameOf(entity) ?? (entity.Mail?.Header("Subject") is { } subject ? $"{HeaderDecoder.Text(subject.Span, problems)}.eml" : $"part-{_files.Count + 1}{Extension(entity.Type.Value)}");
        if (_files.Count >= Attachment.MaxCount || bytes.Length > Attachment.MaxLength || _fileBytes + bytes.Length > Attachment.MaxTotalLength)
        {
            Overflowed = true;
            problems.Add($"The file '{Names.Shorten(name)}' ({bytes.Length} bytes) is left out: a message has at most {Attachment.MaxCount} files of {Attachment.MaxLength} bytes each and {Attachment.MaxTotalLength} together.");
            return;
        }

        _fileBytes += bytes.Length;
        _files.Add(Attachment.FromBytes(name, bytes, MediaTypeOf(entity)));
    }

    private static string MediaTypeOf(MimeEntity entity)
    {
        string type = entity.Type.Value;
        if (type.Length > 127 || type.Count(c => c == '/') != 1 || !type.All(c => HeaderText.IsToken(c) || c == '/'))
        {
            return "application/octet-stream";
        }

        // A text's bytes mean something only in its charset.
        return type.StartsWith("text/", StringComparison.Ordinal) && entity.Type.Parameter("charset") is { Length: > 0 and <= 40 } charset && charset.All(HeaderText.IsToken) ? $"{type}; charset={charset.ToLowerInvariant()}" : type;
    }

    private static string Extension(string type) => type switch
    {
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/gif" => ".gif",
        "application/pdf" => ".pdf",
        "text/csv" => ".csv",
        "text/calendar" => ".ics",
        "message/rfc822" => ".eml",
        "message/delivery-status" => ".txt",
        _ => ".bin",
    };
}
