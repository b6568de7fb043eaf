using System.Buffers;
using System.Globalization;
using System.Text;

namespace Postroom.Mail;

/// <summary>Writes a mail as MIME (RFC 5322, RFC 2045 to 2049): the same bytes for the same draft, only CRLF, bodies in ASCII.</summary>
/// <remarks>ASCII bodies need no 8BITMIME; only an address that needs SMTPUTF8 leaves UTF-8, and that in headers.</remarks>
internal static class MimeWriter
{
    private const string DateForm = "ddd, dd MMM yyyy HH:mm:ss '+0000'"; // RFC 5322 §3.3

    /// <summary>Writes the whole mail.</summary>
    public static ReadOnlyMemory<byte> Write(MailDraft draft)
    {
        int files = draft.Attachments.Sum(file => file.Data?.Length ?? 0);
        ArrayBufferWriter<byte> output = new(4_096 + (files / 57 * 78));
        HeaderWriter headers = Headers(draft);
        Part.Text text = TextPart(draft.Text, "plain");
        Part.Text? html = draft.Html is { } markup ? TextPart(markup, "html") : null;
        Part body = html is null ? text : new Part.Multipart("alternative", Boundary(draft, 1, text, html), [text, html]);
        if (draft.Attachments.Count > 0)
        {
            body = new Part.Multipart("mixed", Boundary(draft, 0, text, html), [body, .. draft.Attachments.Select(file => new Part.File(file))]);
        }

        WritePart(body, headers, output);
        return output.WrittenMemory;
    }

    private static HeaderWriter Headers(MailDraft draft)
    {
        HeaderWriter headers = new();
        headers.WriteTokens("Date", draft.Date.UtcDateTime.ToString(DateForm, CultureInfo.InvariantCulture));
        headers.WriteMailboxes("From", [draft.From]);
        if (draft.ReplyTo is { } replyTo)
        {
            headers.WriteMailboxes("Reply-To", [replyTo]);
        }

        headers.WriteMailboxes("To", draft.To);
        if (draft.Cc.Count > 0)
        {
            headers.WriteMailboxes("Cc", draft.Cc);
        }

        headers.WriteText("Subject", draft.Subject);
        headers.WriteTokens("Message-ID", draft.MessageId);
        if (draft.InReplyTo is { } answered)
        {
            headers.WriteTokens("In-Reply-To", answered);
        }

        if (draft.References.Count > 0)
        {
            headers.WriteTokens("References", draft.References);
        }

        foreach ((string name, string value) in draft.Headers)
        {
            headers.WriteText(name, value);
        }

        headers.WriteTokens("MIME-Version", "1.0");
        return headers;
    }

    private static Part.Text TextPart(string text, string subtype)
    {
        byte[] lines = BodyEncoding.Lines(text);
        return new Part.Text(subtype, lines, BodyEncoding.IsPlain(lines));
    }

    /// <summary>
    /// A boundary that no part holds. The first two characters occur in no quoted-printable or base64 text (RFC 2045 §6.7), so only plain parts are searched.
    /// </summary>
    private static string Boundary(MailDraft draft, int level, params IEnumerable<Part.Text?> parts)
    {
        for (int n = level; ; n += 2)
        {
            string boundary = string.Create(CultureInfo.InvariantCulture, $"=_{draft.Id}_{n:x8}");
            byte[] bytes = Encoding.ASCII.GetBytes(boundary);
            if (parts.All(part => part is not { IsPlain: true } || part.Lines.AsSpan().IndexOf(bytes) < 0))
            {
                return boundary;
            }
        }
    }

    private static void WritePart(Part part, HeaderWriter headers, ArrayBufferWriter<byte> output)
    {
        switch (part)
        {
            case Part.Text text:
                headers.WriteParameters("Content-Type", $"text/{text.Subtype}", ("charset", "utf-8"));
                headers.WriteTokens("Content-Transfer-Encoding", text.IsPlain ? "7bit" : "quoted-printable");
                WriteHead(headers, output);
                if (text.IsPlain)
                {
                    output.Write(text.Lines);
                }
                else
                {
                    BodyEncoding.WriteQuotedPrintable(text.Lines, output);
                }

                break;

            case Part.File(var file):
                headers.WriteParameters("Content-Type", MediaType(file.ContentType));
                headers.WriteTokens("Content-Transfer-Encoding", "base64");
                headers.WriteParameters("Content-Disposition", "attachment", ("filename", file.Name));
                WriteHead(headers, output);
                BodyEncoding.WriteBase64(file.Data.GetValueOrDefault().Span, output);
                break;

            case Part.Multipart multipart:
                headers.WriteParameters("Content-Type", $"multipart/{multipart.Subtype}", ("boundary", multipart.Boundary));
                WriteHead(headers, output);
                byte[] delimiter = Encoding.ASCII.GetBytes($"\r\n--{multipart.Boundary}");
                for (int i = 0; i < multipart.Parts.Count; i++)
                {
                    output.Write(i == 0 ? delimiter.AsSpan(2) : delimiter); // Without a preamble nothing stands before the first one.
                    output.Write("\r\n"u8);
                    WritePart(multipart.Parts[i], new HeaderWriter(), output);
                }

                output.Write(delimiter);
                output.Write("--\r\n"u8);
                break;
        }
    }

    private static void WriteHead(HeaderWriter headers, ArrayBufferWriter<byte> output) => output.Write(Encoding.UTF8.GetBytes($"{headers}\r\n"));

    /// <summary>The media type without parameters; what is none, or forbids base64 (RFC 2046 §5), is sent as plain bytes.</summary>
    private static string MediaType(string contentType)
    {
        string type = contentType.Split(';')[0].Trim();
        bool whole = type.Length <= 127 && type.Split('/') is [var major, var minor] && HeaderText.IsToken(major) && HeaderText.IsToken(minor)
            && !major.Equals("multipart", StringComparison.OrdinalIgnoreCase) && !major.Equals("message", StringComparison.OrdinalIgnoreCase);
        return whole ? type : "application/octet-stream";
    }

    private abstract record Part
    {
        public sealed record Text(string Subtype, byte[] Lines, bool IsPlain) : Part;

        public sealed record File(Attachment Attachment) : Part;

        public sealed record Multipart(string Subtype, string Boundary, IReadOnlyList<Part> Parts) : Part;
    }
}
