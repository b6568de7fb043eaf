using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Postroom.Chat;

/// <summary>The body of a request, which notes when it begins to leave: from then on nobody knows what a lost answer meant.</summary>
/// <remarks>The transport does not repeat a request whose body was begun.</remarks>
internal sealed class RequestBody : HttpContent
{
    private readonly IReadOnlyList<HttpContent> _pieces;

    private RequestBody(string contentType, params IReadOnlyList<HttpContent> pieces)
    {
        _pieces = pieces;
        Headers.TryAddWithoutValidation("Content-Type", contentType);
    }

    /// <summary>Whether it has begun to leave.</summary>
    public bool HasLeft { get; private set; }

    /// <summary>Told when it begins to leave; null for nobody.</summary>
    public Action? Leaving { get; set; }

    /// <summary>A body that another content writes; it is disposed with it.</summary>
    public static RequestBody Of(HttpContent content) => new(content.Headers.ContentType?.ToString() ?? MediaTypes.Unknown, content);

    /// <summary>A body of JSON.</summary>
    public static RequestBody Json<T>(T value, JsonTypeInfo<T> json) => new("application/json", new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(value, json)));

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

        List<HttpContent> pieces = [];
        if (file is not null)
        {
            string type = MediaTypeHeaderValue.TryParse(file.ContentType, out MediaTypeHeaderValue? parsed) ? parsed.ToString() : MediaTypes.Unknown;
            head.Append("--").Append(boundary).Append("\r\nContent-Disposition: form-data; name=\"").Append(name).Append("\"; filename=\"").Append(FileName(file.Name))
                .Append("\"\r\nContent-Type: ").Append(type).Append("\r\n\r\n");
            pieces.Add(new ReadOnlyMemoryContent(file.Data ?? default));
            pieces.Add(new ByteArrayContent("\r\n"u8.ToArray()));
        }

        return new RequestBody(
            $"multipart/form-data; boundary={boundary}",
            [new ByteArrayContent(Encoding.UTF8.GetBytes(head.ToString())), .. pieces, new ByteArrayContent(Encoding.ASCII.GetBytes($"--{boundary}--\r\n"))]);
    }

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        HasLeft = true;
        Leaving?.Invoke();
        foreach (HttpContent piece in _pieces)
        {
            await piece.CopyToAsync(stream, context, cancellationToken);
        }
    }

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        foreach (HttpContent piece in _pieces)
        {
            if (piece.Headers.ContentLength is not { } part)
            {
                return false;
            }

            length += part;
        }

        return true;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (HttpContent piece in disposing ? _pieces : [])
        {
            piece.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>As browsers escape it in UTF-8 (https://html.spec.whatwg.org/#multipart-form-data); a name has no control characters.</summary>
    private static string FileName(string name) => Characters.Clean(name).Replace("\"", "%22", StringComparison.Ordinal);
}
