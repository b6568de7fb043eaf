namespace Postroom;

/// <summary>The media types of files, by name and by their first bytes.</summary>
internal static class MediaTypes
{
    /// <summary>The type of bytes that nothing is known about.</summary>
    public const string Unknown = "application/octet-stream";

    private static readonly (string Extension, string Type)[] Known =
    [
        (".jpg", "image/jpeg"), (".jpeg", "image/jpeg"), (".png", "image/png"), (".gif", "image/gif"), (".webp", "image/webp"),
        (".ogg", "audio/ogg"), (".oga", "audio/ogg"), (".opus", "audio/ogg"), (".mp3", "audio/mpeg"), (".m4a", "audio/mp4"), (".wav", "audio/wav"),
        (".webm", "video/webm"), (".weba", "audio/webm"), (".mp4", "video/mp4"), (".mov", "video/quicktime"),
        (".pdf", "application/pdf"), (".zip", "application/zip"), (".json", "application/json"), (".xml", "application/xml"),
        (".txt", "text/plain"), (".csv", "text/csv"), (".md", "text/markdown"), (".htm", "text/html"), (".html", "text/html"), (".vcf", "text/vcard"),
        (".eml", "message/rfc822"), (".doc", "application/msword"), (".xls", "application/vnd.ms-excel"),
        (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ];

    /// <summary>The type by the name's extension; <see cref="Unknown"/> for an extension that is not known.</summary>
    public static string OfName(string name)
    {
        string extension = Path.GetExtension(name);
        foreach ((string known, string type) in Known)
        {
            if (string.Equals(known, extension, StringComparison.OrdinalIgnoreCase))
            {
                return type;
            }
        }

        return Unknown;
    }

    /// <summary>An extension with its dot for a type; <c>.bin</c> when none is known.</summary>
    public static string ExtensionOf(string type)
    {
        string bare = type.Split(';')[0].Trim();
        foreach ((string extension, string known) in Known)
        {
            if (string.Equals(known, bare, StringComparison.OrdinalIgnoreCase))
            {
                return extension;
            }
        }

        return ".bin";
    }

    /// <summary>The type by the first bytes; null when they tell nothing.</summary>
    public static string? OfBytes(ReadOnlySpan<byte> data)
    {
        return data switch
        {
            [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
            [0x89, (byte)'P', (byte)'N', (byte)'G', ..] => "image/png",
            [(byte)'G', (byte)'I', (byte)'F', (byte)'8', ..] => "image/gif",
            [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'E', (byte)'B', (byte)'P', ..] => "image/webp",
            [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'A', (byte)'V', (byte)'E', ..] => "audio/wav",
            [(byte)'O', (byte)'g', (byte)'g', (byte)'S', ..] => "audio/ogg",
            [(byte)'I', (byte)'D', (byte)'3', ..] or [0xFF, 0xFB, ..] => "audio/mpeg",
            [0x1A, 0x45, 0xDF, 0xA3, ..] => "video/webm",
            [_, _, _, _, (byte)'f', (byte)'t', (byte)'y', (byte)'p', ..] => "video/mp4",
            [(byte)'%', (byte)'P', (byte)'D', (byte)'F', ..] => "application/pdf",
            _ => null,
        };
    }

    /// <summary>Whether the text is a media type that may stand in a header: <c>type/subtype</c> with parameters in visible ASCII.</summary>
    public static bool IsMediaType(string? text)
    {
        if (text is null or { Length: 0 or > 127 } || text.Any(letter => letter is < ' ' or > '~'))
        {
            return false;
        }

        string[] parts = text.Split(';')[0].Trim().Split('/');
        return parts.Length == 2 && parts.All(part => part.Length > 0 && part.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '+' or '.' or '_'));
    }
}
