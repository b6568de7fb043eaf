using System.Buffers.Text;
using System.Text;

namespace Postroom.Mail;

/// <summary>Mailbox names in modified UTF-7 (RFC 3501 §5.1.3), both ways.</summary>
internal static class ModifiedUtf7
{
    /// <summary>Writes a name in ASCII.</summary>
    public static string Encode(string name)
    {
        StringBuilder text = new(name.Length);
        int at = 0;
        while (at < name.Length)
        {
            if (name[at] is >= ' ' and <= '~')
            {
                text.Append(name[at] == '&' ? "&-" : name[at].ToString());
                at++;
                continue;
            }

            int begin = at;
            while (at < name.Length && name[at] is not (>= ' ' and <= '~'))
            {
                at++;
            }

            string base64 = Convert.ToBase64String(Encoding.BigEndianUnicode.GetBytes(name[begin..at]));
            text.Append('&').Append(base64.TrimEnd('=').Replace('/', ',')).Append('-');
        }

        return text.ToString();
    }

    /// <summary>Reads a name; what is not in this form stays as it is.</summary>
    public static string Decode(string text)
    {
        StringBuilder name = new(text.Length);
        int at = 0;
        while (at < text.Length)
        {
            int end = text[at] == '&' ? text.IndexOf('-', at) : -1;
            if (end < 0)
            {
                name.Append(text[at++]);
                continue;
            }

            string inside = text[(at + 1)..end];
            string? decoded = inside.Length == 0 ? "&" : Shifted(inside);
            name.Append(decoded ?? text[at..(end + 1)]);
            at = end + 1;
        }

        return name.ToString();
    }

    private static string? Shifted(string inside)
    {
        string base64 = inside.Replace(',', '/');
        base64 = base64.PadRight((base64.Length + 3) / 4 * 4, '=');
        byte[] bytes = new byte[base64.Length];
        return Base64.IsValid(base64) && Convert.TryFromBase64String(base64, bytes, out int length) && length % 2 == 0 ? Encoding.BigEndianUnicode.GetString(bytes, 0, length) : null;
    }
}
