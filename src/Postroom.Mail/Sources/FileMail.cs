namespace Postroom.Mail;

/// <summary>Reads a file as a mail.</summary>
internal static class FileMail
{
    /// <summary>Reads a mail; of one that is too long, the headers and the beginning of its text (SR-14).</summary>
    /// <param name="file">The file.</param>
    /// <param name="bytes">Its content, or the beginning of it.</param>
    /// <param name="max">The longest mail that is read as a whole.</param>
    /// <param name="maxHeaders">The most bytes of headers of a longer one.</param>
    /// <param name="maxText">The most bytes behind the headers of a longer one.</param>
    /// <param name="keepRaw">Whether the raw mail is kept as an attachment.</param>
    public static MailMessage Read(FoundFile file, ReadOnlyMemory<byte> bytes, long max, int maxHeaders, int maxText, bool keepRaw)
    {
        if (file.Length <= max)
        {
            return MailMessageReader.Read(bytes, file.ModifiedAt, keepRaw);
        }

        int crlf = bytes.Span.IndexOf("\r\n\r\n"u8);
        int end = crlf >= 0 ? crlf : Math.Max(0, bytes.Span.IndexOf("\n\n"u8));
        return MailMessageReader.ReadBeginning(bytes[..Math.Min(bytes.Length, Math.Min(end, maxHeaders) + maxText)], file.ModifiedAt, file.Length);
    }
}
