using System.Text;

namespace Postroom.Testing;

/// <summary>One part of a form as a client posts it (RFC 7578).</summary>
/// <param name="Name">The field.</param>
/// <param name="FileName">The name of the file; null for a field without one.</param>
/// <param name="ContentType">The part's type; empty for none.</param>
/// <param name="Data">The bytes.</param>
internal sealed record FormPart(string Name, string? FileName, string ContentType, byte[] Data)
{
    /// <summary>The bytes as UTF-8.</summary>
    public string Text => Encoding.UTF8.GetString(Data);

    /// <summary>The parts of a body; none when it is no such form.</summary>
    /// <param name="contentType">The header <c>Content-Type</c> of the request.</param>
    /// <param name="body">The body.</param>
    public static IReadOnlyList<FormPart> Read(string contentType, byte[] body)
    {
        string? boundary = Parameter(contentType, "boundary");
        if (boundary is null || !contentType.StartsWith("multipart/form-data", StringComparison.OrdinalIgnoreCase))
        {
            return [];
        }

        List<FormPart> parts = [];
        byte[] line = Encoding.ASCII.GetBytes($"--{boundary}");
        byte[] between = [.. "\r\n"u8, .. line];
        int begin = body.AsSpan().StartsWith(line) ? line.Length : -1;
        while (begin >= 0 && body.AsSpan(begin).StartsWith("\r\n"u8))
        {
            begin += 2;
            int head = body.AsSpan(begin).IndexOf("\r\n\r\n"u8);
            int end = body.AsSpan(begin).IndexOf(between);
            if (head < 0 || end < head)
            {
                break;
            }

            string[] headers = Encoding.UTF8.GetString(body, begin, head).Split("\r\n");
            string disposition = HeaderOf(headers, "Content-Disposition");
            if (Parameter(disposition, "name") is { } name)
            {
                parts.Add(new FormPart(name, Parameter(disposition, "filename"), HeaderOf(headers, "Content-Type"), body[(begin + head + 4)..(begin + end)]));
            }

            begin += end + between.Length;
        }

        return parts;
    }

    private static string HeaderOf(string[] headers, string name)
    {
        string? line = headers.FirstOrDefault(header => header.StartsWith($"{name}:", StringComparison.OrdinalIgnoreCase));
        return line is null ? "" : line[(name.Length + 1)..].Trim();
    }

    private static string? Parameter(string header, string name)
    {
        foreach (string piece in header.Split(';').Skip(1))
        {
            int equals = piece.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && piece[..equals].Trim().Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return piece[(equals + 1)..].Trim().Trim('"');
            }
        }

        return null;
    }
}
