using System.Text;
using System.Text.Json;

namespace Postroom.Testing;

/// <summary>A file in a form.</summary>
internal sealed record FakeFormFile(string Name, string ContentType, byte[] Bytes);

/// <summary>The parameters of a call, read strictly: from JSON, or from a form with files (RFC 7578).</summary>
internal sealed class FakeForm
{
    private readonly Dictionary<string, string> _fields = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FakeFormFile> _files = new(StringComparer.Ordinal);

    /// <summary>Values by name; objects and lists as JSON.</summary>
    public IReadOnlyDictionary<string, string> Fields => _fields;

    /// <summary>Files by name.</summary>
    public IReadOnlyDictionary<string, FakeFormFile> Files => _files;

    /// <exception cref="FormatException">The body is neither.</exception>
    public static FakeForm Read(FakeRequest request)
    {
        FakeForm form = new();
        string type = request.Header("Content-Type");
        if (type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase))
        {
            form.ReadJson(request.Body);
        }
        else if (type.StartsWith("multipart/form-data", StringComparison.OrdinalIgnoreCase))
        {
            int at = type.IndexOf("boundary=", StringComparison.Ordinal);
            form.ReadParts(request.Body, at < 0 ? throw new FormatException("there is no boundary") : type[(at + 9)..].Trim('"'));
        }
        else if (request.Body.Length > 0)
        {
            throw new FormatException($"content type '{type}' is not taken");
        }

        return form;
    }

    public string? Text(string name) => _fields.GetValueOrDefault(name);

    /// <exception cref="FormatException">It is no whole number.</exception>
    public long? Number(string name)
    {
        return Text(name) is not { } text ? null
            : long.TryParse(text, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out long number) ? number
            : throw new FormatException($"field \"{name}\" must be of type Number");
    }

    /// <exception cref="FormatException">It is no JSON of the kind.</exception>
    public JsonElement? Json(string name, JsonValueKind kind)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        try
        {
            JsonElement value = JsonDocument.Parse(text).RootElement;
            return value.ValueKind == kind ? value : throw new FormatException($"field \"{name}\" must be of type {kind}");
        }
        catch (JsonException)
        {
            throw new FormatException($"can't parse {name} JSON object");
        }
    }

    private void ReadJson(byte[] body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                _fields.Add(property.Name, property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()! : property.Value.GetRawText());
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new FormatException("the body is no JSON object", e);
        }
    }

    private void ReadParts(byte[] body, string boundary)
    {
        byte[] mark = Encoding.ASCII.GetBytes($"--{boundary}");
        byte[] next = [.. "\r\n"u8, .. mark];
        ReadOnlySpan<byte> rest = body;
        rest = rest.StartsWith(mark) ? rest[mark.Length..] : throw new FormatException("the form does not begin with its boundary");
        while (!rest.StartsWith("--"u8))
        {
            int head = rest.IndexOf("\r\n\r\n"u8);
            int end = rest.IndexOf(next);
            if (!rest.StartsWith("\r\n"u8) || head < 0 || end < head + 4)
            {
                throw new FormatException("a part of the form is malformed");
            }

            Add(Encoding.UTF8.GetString(rest[2..head]), rest[(head + 4)..end].ToArray());
            rest = rest[(end + next.Length)..];
        }
    }

    private void Add(string head, byte[] value)
    {
        string[] lines = head.Split("\r\n");
        string disposition = lines.FirstOrDefault(line => line.StartsWith("Content-Disposition: form-data;", StringComparison.OrdinalIgnoreCase)) ?? throw new FormatException("a part has no disposition");
        string name = Quoted(disposition, " name=") ?? throw new FormatException("a part has no name");
        if (Quoted(disposition, " filename=") is { } file)
        {
            string type = lines.FirstOrDefault(line => line.StartsWith("Content-Type:", StringComparison.OrdinalIgnoreCase))?["Content-Type:".Length..].Trim() ?? "";
            _files.Add(name, new FakeFormFile(file.Replace("%22", "\"", StringComparison.Ordinal), type, value));
        }
        else
        {
            _fields.Add(name, Encoding.UTF8.GetString(value));
        }
    }

    private static string? Quoted(string line, string key)
    {
        int at = line.IndexOf($"{key}\"", StringComparison.Ordinal);
        int start = at + key.Length + 1;
        return at < 0 ? null : line[start..line.IndexOf('"', start)];
    }
}
