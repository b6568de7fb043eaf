using System.Text;

namespace Postroom.Mail;

/// <summary>
/// Reads the structure of a mail (RFC 5322, RFC 2045, RFC 2046): one walk over its lines, with work and memory linear in its length. Nothing is decoded here,
/// and nothing a mail may contain is an error: what is wrong becomes a note, and the rest is read.
/// </summary>
internal sealed class MimeParser
{
    /// <summary>How deep parts may lie within each other (ML-12); what lies deeper stays one body.</summary>
    public const int MaxDepth = 32;

    /// <summary>The most parts of one mail (ML-12); the rest stays in the last one.</summary>
    public const int MaxParts = 1_000;

    /// <summary>The most headers of one entity (ML-12); further ones are left out.</summary>
    public const int MaxHeaders = 1_000;

    /// <summary>The most headers of a mail with all its parts, so that memory stays in proportion to its length.</summary>
    public const int MaxHeadersOfAll = 10_000;

    /// <summary>The most bytes of one header with its continuations (ML-12); the rest is left out.</summary>
    public const int MaxHeaderBytes = 64 * 1024;

    private const int MaxName = 998; // a whole line (RFC 5322 §2.1.1)

    private readonly ReadOnlyMemory<byte> _raw;
    private readonly Problems _problems;
    private readonly List<byte[]> _boundaries = [];
    private int _at;
    private int _parts;
    private int _headers;
    private bool _leavesHeadersOut;

    private MimeParser(ReadOnlyMemory<byte> raw, Problems problems)
    {
        _raw = raw;
        _problems = problems;
    }

    /// <summary>Whether a bound of ML-12 was met: what was read then is not the whole mail.</summary>
    public bool Exceeded { get; private set; }

    /// <summary>Reads a mail.</summary>
    /// <param name="raw">The mail with CRLF or LF line ends.</param>
    /// <param name="problems">Gets what is wrong with it.</param>
    /// <param name="exceeded">Whether a bound of ML-12 was met.</param>
    public static MimeEntity Parse(ReadOnlyMemory<byte> raw, Problems problems, out bool exceeded)
    {
        MimeParser parser = new(raw, problems);
        parser.SkipEnvelopeLine();
        MimeEntity entity = parser.ReadEntity(depth: 0, "text/plain");
        exceeded = parser.Exceeded;
        return entity;
    }

    private ReadOnlySpan<byte> Rest => _raw.Span[_at..];

    private bool AtEnd => _at >= _raw.Length;

    /// <summary>A mailbox file begins each mail with a line of its own.</summary>
    private void SkipEnvelopeLine()
    {
        if (Rest.StartsWith("From "u8))
        {
            _at += LineLength(Rest);
        }
    }

    private MimeEntity ReadEntity(int depth, string defaultType)
    {
        List<RawHeader> headers = ReadHeaders();
        ContentHeader type = Content(headers, "Content-Type") is { } stated && stated.Value.Contains('/', StringComparison.Ordinal) ? stated : new ContentHeader(defaultType, []);
        MimeEntity entity = new()
        {
            Headers = headers,
            Type = type,
            Disposition = Content(headers, "Content-Disposition"),
            TransferEncoding = Content(headers, "Content-Transfer-Encoding")?.Value is { Length: > 0 } encoding ? encoding : "7bit",
        };
        if (type.Value.StartsWith("multipart/", StringComparison.Ordinal))
        {
            ReadMultipart(entity, depth);
        }
        else if (type.Value is "message/rfc822" or "message/global" or "message/news" && entity.TransferEncoding is not ("base64" or "quoted-printable") && MayDescend(depth))
        {
            int begin = _at;
            SkipEnvelopeLine();
            entity.Mail = ReadEntity(depth + 1, "text/plain");
            entity.Body = Trimmed(begin, _at);
        }
        else
        {
            entity.Body = ReadBody();
        }

        return entity;
    }

    private ContentHeader? Content(List<RawHeader> headers, string name)
    {
        foreach (RawHeader header in headers)
        {
            if (header.Is(name))
            {
                return ContentHeader.Parse(HeaderDecoder.Latin(header.Value.Span), _problems);
            }
        }

        return null;
    }

    private void ReadMultipart(MimeEntity entity, int depth)
    {
        string? boundary = entity.Type.Parameter("boundary")?.TrimEnd(' ', '\t');
        if (string.IsNullOrEmpty(boundary) || boundary.Length > 256)
        {
            _problems.Add($"A {entity.Type.Value} has no boundary, so it is read as one text.");
            entity.Body = ReadBody();
            return;
        }

        if (!MayDescend(depth))
        {
            entity.Body = ReadBody();
            return;
        }

        _boundaries.Add(Encoding.Latin1.GetBytes($"--{boundary}"));
        int own = _boundaries.Count - 1;
        List<MimeEntity> parts = [];
        _ = ReadBody();
        string inner = entity.Type.Value == "multipart/digest" ? "message/rfc822" : "text/plain";
        bool closed = false;
        while (!AtEnd && BoundaryAt(Rest, out bool close) == own)
        {
            if (close)
            {
                closed = true;
                _at += LineLength(Rest);
                break;
            }

            if (_parts >= MaxParts)
            {
                Exceed($"The mail has more than {MaxParts} parts; the rest is left out.");
                SkipTo(own);
                closed = true;
                break;
            }

            _parts++;
            _at += LineLength(Rest);
            parts.Add(ReadEntity(depth + 1, inner));
        }

        _boundaries.RemoveAt(own);
        if (!closed)
        {
            _problems.Add($"A {entity.Type.Value} has no end; it is read up to where the text around it ends.");
        }

        _ = ReadBody(); // the epilogue
        entity.Parts = parts;
        if (parts.Count == 0)
        {
            _problems.Add($"A {entity.Type.Value} has no parts.");
        }
    }

    /// <summary>Leaves out everything up to the end of a multipart body.</summary>
    private void SkipTo(int own)
    {
        while (!AtEnd)
        {
            int found = BoundaryAt(Rest, out bool close);
            if (found >= 0 && found < own)
            {
                return;
            }

            _at += LineLength(Rest);
            if (found == own && close)
            {
                return;
            }
        }
    }

    private bool MayDescend(int depth)
    {
        if (depth < MaxDepth)
        {
            return true;
        }

        Exceed($"The mail has more than {MaxDepth} levels; what lies deeper is left as it is.");
        return false;
    }

    private void Exceed(string note)
    {
        Exceeded = true;
        _problems.Add(note);
    }

    /// <summary>Reads up to the next boundary of any multipart body around, or the end. The line end before a boundary belongs to it (RFC 2046 §5.1.1).</summary>
    private ReadOnlyMemory<byte> ReadBody()
    {
        int begin = _at;
        if (_boundaries.Count == 0)
        {
            _at = _raw.Length;
            return _raw[begin..];
        }

        while (!AtEnd && BoundaryAt(Rest, out _) < 0)
        {
            _at += LineLength(Rest);
        }

        return Trimmed(begin, _at);
    }

    private ReadOnlyMemory<byte> Trimmed(int begin, int end)
    {
        ReadOnlySpan<byte> raw = _raw.Span;
        if (end < raw.Length && end > begin && raw[end - 1] == '\n')
        {
            end -= end - 1 > begin && raw[end - 2] == '\r' ? 2 : 1;
        }

        return _raw[begin..end];
    }

    /// <summary>Which of the bodies around a line ends or parts; -1 for none. The innermost wins, so that a boundary used twice ends the inner body.</summary>
    private int BoundaryAt(ReadOnlySpan<byte> text, out bool close)
    {
        close = false;
        if (_boundaries.Count == 0 || text is not [(byte)'-', (byte)'-', ..])
        {
            return -1;
        }

        ReadOnlySpan<byte> line = text[..LineLength(text)].TrimEnd(" \t\r\n"u8);
        for (int i = _boundaries.Count - 1; i >= 0; i--)
        {
            if (line.StartsWith(_boundaries[i]))
            {
                ReadOnlySpan<byte> behind = line[_boundaries[i].Length..];
                if (behind.IsEmpty || behind.SequenceEqual("--"u8))
                {
                    close = !behind.IsEmpty;
                    return i;
                }
            }
        }

        return -1;
    }

    private List<RawHeader> ReadHeaders()
    {
        List<RawHeader> headers = [];
        while (!AtEnd)
        {
            ReadOnlySpan<byte> line = Rest[..LineLength(Rest)];
            ReadOnlySpan<byte> text = line.TrimEnd("\r\n"u8);
            if (text.IsEmpty)
            {
                _at += line.Length;
                return headers;
            }

            if (BoundaryAt(Rest, out _) >= 0)
            {
                _problems.Add("The headers of a part end without an empty line.");
                return headers;
            }

            int colon = text.IndexOf((byte)':');
            ReadOnlySpan<byte> name = colon < 0 ? [] : text[..colon].TrimEnd(" \t"u8);
            if (name.IsEmpty || name.Length > MaxName || name.ContainsAnyExceptInRange((byte)'!', (byte)'~'))
            {
                // Another reader takes what follows for the text as well; to skip the line would hide it.
                _problems.Add("A line among the headers is none, so the text begins there.");
                return headers;
            }

            ReadHeader(headers, name, colon + 1);
        }

        return headers;
    }

    private void ReadHeader(List<RawHeader> headers, ReadOnlySpan<byte> name, int valueBegin)
    {
        int begin = _at + valueBegin;
        bool folded = false;
        _at += LineLength(Rest);
        while (!AtEnd && Rest[0] is (byte)' ' or (byte)'\t' && !Rest[..LineLength(Rest)].Trim(" \t\r\n"u8).IsEmpty)
        {
            folded = true;
            _at += LineLength(Rest);
        }

        if (headers.Count >= MaxHeaders || _headers >= MaxHeadersOfAll)
        {
            // Said once: what is left out may be most of the mail.
            if (!_leavesHeadersOut)
            {
                _leavesHeadersOut = true;
                Exceed($"An entity has more than {MaxHeaders} headers, or the mail has more than {MaxHeadersOfAll} in all its parts; the rest is left out.");
            }

            return;
        }

        _headers++;
        int end = _at;
        if (end - begin > MaxHeaderBytes)
        {
            Exceed($"A header is longer than {MaxHeaderBytes / 1024} KiB; the rest of it is left out.");
            end = begin + MaxHeaderBytes;
        }

        ReadOnlyMemory<byte> value = _raw[begin..end];
        headers.Add(new RawHeader(Encoding.ASCII.GetString(name), folded ? Unfold(value.Span) : value.Trim(" \t\r\n"u8)));
    }

    /// <summary>Takes the line ends out (RFC 5322 §2.2.3); the blanks behind them stay.</summary>
    private static byte[] Unfold(ReadOnlySpan<byte> value)
    {
        byte[] line = new byte[value.Length];
        int length = 0;
        foreach (byte octet in value)
        {
            if (octet is not ((byte)'\r' or (byte)'\n'))
            {
                line[length++] = octet;
            }
        }

        return line.AsSpan(0, length).Trim(" \t"u8).ToArray();
    }

    private static int LineLength(ReadOnlySpan<byte> text)
    {
        int end = text.IndexOf((byte)'\n');
        return end < 0 ? text.Length : end + 1;
    }
}
