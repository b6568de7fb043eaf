using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Postroom.Diagnostics;

/// <summary>Sends spans to a collector by the OpenTelemetry protocol: over gRPC, or over HTTP when the endpoint has a path.</summary>
/// <remarks>Redirections are not followed, and answers are read up to 64 KiB. An endpoint without a scheme of http or https is refused when it is first used.</remarks>
internal sealed class OtlpTransport : BuiltInTransport
{
    /// <summary>Where a collector listens when nobody says otherwise.</summary>
    public const string UsualEndpoint = "http://localhost:4317";

    private const string GrpcPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    private const int LongestAnswer = 64 * 1024;

    private readonly Uri _target;
    private readonly bool _grpc;
    private readonly IReadOnlyList<KeyValuePair<string, object?>> _resource;
    private readonly string _version = typeof(OtlpTransport).Assembly.GetName().Version?.ToString(3) ?? "0";
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        ConnectTimeout = TimeSpan.FromSeconds(5),
        AllowAutoRedirect = false,
        UseProxy = false, // spans go to the address of the settings and to nobody else
        ActivityHeadersPropagator = null,
    })
    {
        MaxResponseContentBufferSize = LongestAnswer,
        Timeout = Timeout.InfiniteTimeSpan, // the exporter's own time
    };

    public OtlpTransport(string endpoint, IReadOnlyList<KeyValuePair<string, object?>> resource)
        : base("otlp")
    {
        Uri address = new(endpoint.Length > 0 ? endpoint : UsualEndpoint);
        _grpc = address.AbsolutePath == "/";
        _target = _grpc ? new Uri(address, GrpcPath) : address;
        _resource = resource;
    }

    /// <summary>Whether a text can be an endpoint.</summary>
    public static bool IsEndpoint(string text) => Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https";

    public override async ValueTask ExportAsync(IReadOnlyList<TraceSpan> batch, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> message = OtlpMessage.Write(batch, _resource, _version);
        using HttpRequestMessage request = new(HttpMethod.Post, _target)
        {
            Content = new ReadOnlyMemoryContent(_grpc ? Framed(message.Span) : message),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(_grpc ? "application/grpc" : "application/x-protobuf");
        if (_grpc)
        {
            request.Version = HttpVersion.Version20;
            request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
            request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        }

        try
        {
            using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
            Check(answer);
        }
        catch (HttpRequestException e)
        {
            throw new IOException($"the collector at {Shown} cannot be reached ({e.InnerException?.Message ?? e.Message})", e);
        }
    }

    public override void Dispose() => _http.Dispose();

    private string Shown => _target.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    /// <summary>A message as gRPC puts it on the wire: not compressed, its length, itself.</summary>
    private static byte[] Framed(ReadOnlySpan<byte> message)
    {
        byte[] framed = new byte[5 + message.Length];
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), (uint)message.Length);
        message.CopyTo(framed.AsSpan(5));
        return framed;
    }

    private void Check(HttpResponseMessage answer)
    {
        if (!answer.IsSuccessStatusCode)
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"the collector at {Shown} answered {(int)answer.StatusCode}"));
        }

        if (!_grpc)
        {
            return;
        }

        // An answer without a body has its status in the headers, any other behind the body.
        string? status = Value(answer.TrailingHeaders, "grpc-status") ?? Value(answer.Headers, "grpc-status");
        if (status != "0")
        {
            string? text = Value(answer.TrailingHeaders, "grpc-message") ?? Value(answer.Headers, "grpc-message");
            throw new IOException($"the collector at {Shown} answered grpc-status {status ?? "missing"}{(text is null ? "" : $": {Uri.UnescapeDataString(text)}")}");
        }
    }

    private static string? Value(HttpResponseHeaders headers, string name) => headers.TryGetValues(name, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;
}
