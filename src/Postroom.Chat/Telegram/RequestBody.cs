using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Postroom.Chat;

/// <summary>The body of a request, which notes when it begins to leave: from then on nobody knows what a lost answer meant.</summary>
internal sealed class RequestBody : HttpContent
{
    private readonly IReadOnlyList<ReadOnlyMemory<byte>> _pieces;

    private RequestBody(IReadOnlyList<ReadOnlyMemory<byte>> pieces, string contentType)
    {
        _pieces = pieces;
        Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
    }

    /// <summary>Whether it has begun to leave.</summary>
    public bool HasLeft { get; private set; }

    /// <summary>Told when it begins to leave; null for nobody.</summary>
    public Action? Leaving { get; set; }

    /// <summary>A body of JSON.</summary>
    public static RequestBody Json<T>(T value, JsonTypeInfo<T> json) => new([JsonSerializer.SerializeToUtf8Bytes(value, json)], "application/json");

    /// <summary>A form (RFC 7578), with one file or none. The file's bytes are not copied.</summary>
    /// <param name="fields">Names and values; null values are left out.</param>
    /// <param name="name">The field of the file; empty for none.</param>
    /// <param name="file">The file, with its bytes; null for none.</param>
    public static RequestBody Form(IEnumerable<(string Name, string? Value)> fields, string name = "", Attachment? file = null)
    {
        string boundary = $"postroom-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))}";
        StringBuilder head = new();
        foreach ((string field, string? value) in fields)
        {
            if (value is not null)
            {
                head.Append("--").Append(boundary).Append("\r\nContent-Disposition: form-data; name=\"").Append(field).Append("\"\r\n\r\n").Append(value).Append("\r\n");
            }
        }

        List<ReadOnlyMemory<byte>> pieces = [];
        if (file is not null)
        {
            string type = MediaTypeHeaderValue.TryParse(file.ContentType, out MediaTypeHeaderValue? parsed) ? parsed.ToString() : MediaTypes.Unknown;
            head.Append("--").Append(boundary).Append("\r\nContent-Disposition: form-data; name=\"").Append(name).Append("\"; filename=\"").Append(FileName(file.Name))
                .Append("\"\r\nContent-Type: ").Append(type).Append("\r\n\r\n");
            pieces.Add(file.Data ?? default);
            pieces.Add("\r\n"u8.ToArray());
        }

        return new RequestBody(
            [Encoding.UTF8.GetBytes(head.ToString()), .. pieces, Encoding.ASCII.GetBytes($"--{boundary}--\r\n")],
            $"multipart/form-data; boundary={boundary}");
    }

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        HasLeft = true;
        Leaving?.Invoke();
        foreach (ReadOnlyMemory<byte> piece in _pieces)
        {
            await stream.WriteAsync(piece, cancellationToken);
        }
    }

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = _pieces.Sum(piece => (long)piece.Length);
        return true;
    }

    /// <summary>As browsers escape it in UTF-8 (https://html.spec.whatwg.org/#multipart-form-data); a name has no control characters.</summary>
    private static string FileName(string name) => Characters.Clean(name).Replace("\"", "%22", StringComparison.Ordinal);
}
