using System.Buffers;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Postroom.ControlPlane;

/// <summary>A request body that was read within its limits, or the answer that refuses it.</summary>
internal abstract record RequestBody
{
    private RequestBody()
    {
    }

    /// <summary>The body as received; signatures are made over exactly these bytes.</summary>
    public sealed record Bytes(ReadOnlyMemory<byte> Raw) : RequestBody;

    /// <summary>The body as one JSON object, with its raw bytes.</summary>
    public sealed record Json(JsonDocument Document, ReadOnlyMemory<byte> Raw) : RequestBody;

    /// <summary>What an endpoint was asked, read from the body.</summary>
    public sealed record Value<T>(T Read) : RequestBody;

    /// <summary>The body is not taken.</summary>
    /// <param name="Status">The HTTP status to answer with.</param>
    /// <param name="Code">The code of CP-7.</param>
    /// <param name="Detail">A text that is safe to show.</param>
    public sealed record Refused(int Status, string Code, string Detail) : RequestBody
    {
        /// <summary>The answer.</summary>
        public Problem ToProblem() => new() { Status = Status, Code = Code, Detail = Detail };
    }

    /// <summary>Reads any body up to a size. A larger one is refused before it is read when its length is declared.</summary>
    /// <param name="request">Its body must not have been read before.</param>
    /// <param name="maxBytes">The most bytes that are taken.</param>
    /// <param name="cancellationToken">Ends the wait for the peer.</param>
    public static async ValueTask<RequestBody> ReadAsync(HttpRequest request, long maxBytes, CancellationToken cancellationToken)
    {
        if (request.Headers.ContentEncoding.Count > 0)
        {
            return new Refused(415, ProblemCode.UnsupportedMedia, "Compressed bodies are not accepted. Send the body without Content-Encoding.");
        }

        if (request.ContentLength > maxBytes)
        {
            return TooLarge(maxBytes);
        }

        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = maxBytes;
        }

        try
        {
            return await ReadAllAsync(request.BodyReader, maxBytes, cancellationToken);
        }
        catch (BadHttpRequestException exception)
        {
            return exception.StatusCode == StatusCodes.Status413PayloadTooLarge
                ? TooLarge(maxBytes)
                : new Refused(exception.StatusCode, ProblemCode.BadRequest, "The body did not arrive completely or was sent too slowly.");
        }
    }

    /// <summary>Reads one JSON object: 415 for another content type, 413 over the size, 400 for anything else than an object.</summary>
    public static async ValueTask<RequestBody> ReadJsonAsync(HttpRequest request, long maxBytes, CancellationToken cancellationToken)
    {
        if (!IsJson(request.ContentType))
        {
            return new Refused(415, ProblemCode.UnsupportedMedia, "The body must be application/json in UTF-8.");
        }

        RequestBody body = await ReadAsync(request, maxBytes, cancellationToken);
        return body is Bytes bytes ? ParseObject(bytes.Raw) : body;
    }

    /// <summary>Reads a request that may come without a body, with or without a declared length.</summary>
    /// <param name="request">Its body must not have been read before.</param>
    /// <param name="maxBytes">The most bytes that are taken.</param>
    /// <param name="without">What a request without a body asks.</param>
    /// <param name="type">How the body is read; its names are told to whoever got one wrong.</param>
    /// <param name="cancellationToken">Ends the wait for the peer.</param>
    public static async ValueTask<RequestBody> ReadOptionalAsync<T>(HttpRequest request, long maxBytes, T without, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        RequestBody body = await ReadAsync(request, maxBytes, cancellationToken);
        if (body is not Bytes bytes)
        {
            return body;
        }

        if (bytes.Raw.IsEmpty)
        {
            return new Value<T>(without);
        }

        body = ParseObject(bytes.Raw);
        if (body is not Json json)
        {
            return body;
        }

        using (json.Document)
        {
            try
            {
                return new Value<T>(json.Document.RootElement.Deserialize(type)!);
            }
            catch (JsonException wrong)
            {
                return new Refused(400, ProblemCode.BadRequest, $"Bad request: {wrong.Path ?? "$"} is unknown or of the wrong type. The body may have {NamesOf(type)}.");
            }
        }
    }

    /// <summary>Reads a request, or answers why it is not taken; null then.</summary>
    /// <param name="context">The request; its body must not have been read before.</param>
    /// <param name="maxBytes">The most bytes that are taken.</param>
    /// <param name="without">What a request without a body asks; null when there has to be one.</param>
    /// <param name="type">How the body is read.</param>
    public static async ValueTask<T?> ReadOrAnswerAsync<T>(HttpContext context, long maxBytes, T? without, JsonTypeInfo<T> type)
        where T : class
    {
        RequestBody body = await ReadOptionalAsync(context.Request, maxBytes, without!, type, context.RequestAborted);
        Refused? refused = body switch
        {
            Value<T> { Read: not null } => null,
            Refused no => no,
            _ => new Refused(400, ProblemCode.BadRequest, $"Bad request: a body is required. It may have {NamesOf(type)}."),
        };
        if (refused is null)
        {
            return ((Value<T>)body).Read;
        }

        await refused.ToProblem().WriteAsync(context);
        return null;
    }

    /// <summary>Parses bytes that were read before, as <see cref="ReadJsonAsync"/> does.</summary>
    public static RequestBody ParseObject(ReadOnlyMemory<byte> raw)
    {
        JsonDocument? document = StrictJson.TryParse(raw, out string problem);
        if (document is null)
        {
            return new Refused(400, ProblemCode.BadRequest, $"Bad request: {problem}.");
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            return new Json(document, raw);
        }

        string kind = document.RootElement.ValueKind.ToString().ToLowerInvariant();
        document.Dispose();
        return new Refused(400, ProblemCode.BadRequest, $"Bad request: the body must be a JSON object and is of kind {kind}.");
    }

    /// <summary>True for <c>application/json</c>, alone or with <c>charset=utf-8</c>.</summary>
    public static bool IsJson(string? contentType) =>
        MediaTypeHeaderValue.TryParse(contentType, out MediaTypeHeaderValue? type)
        && string.Equals(type.MediaType, "application/json", StringComparison.OrdinalIgnoreCase)
        && (type.CharSet is null || string.Equals(type.CharSet.Trim('"'), "utf-8", StringComparison.OrdinalIgnoreCase));

    private static string NamesOf(JsonTypeInfo type) => string.Join(", ", type.Properties.Select(property => property.Name));

    private static Refused TooLarge(long maxBytes) =>
        new(413, ProblemCode.TooLarge, $"The body is larger than {maxBytes} bytes.");

    private static async ValueTask<RequestBody> ReadAllAsync(PipeReader reader, long maxBytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken);
            ReadOnlySequence<byte> buffer = result.Buffer;
            if (buffer.Length > maxBytes)
            {
                reader.AdvanceTo(buffer.End);
                return TooLarge(maxBytes);
            }

            if (result.IsCompleted)
            {
                byte[] all = buffer.ToArray();
                reader.AdvanceTo(buffer.End);
                return new Bytes(all);
            }

            // Nothing is consumed until all is there: the pipe's pooled segments are the buffer.
            reader.AdvanceTo(buffer.Start, buffer.End);
        }
    }
}
