using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Postroom.Tests.Diagnostics;

/// <summary>A span as it came over the wire.</summary>
internal sealed record ReceivedSpan(
    string TraceId, string SpanId, string ParentId, string Name, int Kind, ulong Begin, ulong End, IReadOnlyDictionary<string, object> Attributes, IReadOnlyList<(string Trace, string Span)> Links, int Status, string StatusText)
{
    public IReadOnlyDictionary<string, object> Resource { get; init; } = new Dictionary<string, object>();

    public string Scope { get; init; } = "";
}

/// <summary>A collector of the OpenTelemetry protocol, for HTTP and for gRPC, that decodes what it gets by the published field numbers and refuses everything else.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private const string GrpcPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

    private readonly WebApplication _app;

    private OtlpCollector(WebApplication app) => _app = app;

    public ConcurrentQueue<ReceivedSpan> Spans { get; } = new();

    /// <summary>Requests so far, by protocol.</summary>
    public ConcurrentDictionary<string, int> Requests { get; } = new();

    /// <summary>What a request could not be read for; null for nothing.</summary>
    public Exception? Malformed { get; private set; }

    /// <summary>Answers requests with this status instead of taking them; 0 for taking them. Over gRPC it is the status in the trailers.</summary>
    public int Refuses { get; set; }

    public string GrpcEndpoint { get; private set; } = "";

    public string HttpEndpoint { get; private set; } = "";

    public static async Task<OtlpCollector> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        WebApplication app = builder.Build();
        OtlpCollector collector = new(app);
        app.MapPost(GrpcPath, collector.GrpcAsync);
        app.MapPost("/v1/traces", collector.HttpAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        string[] urls = [.. app.Urls];
        (collector.GrpcEndpoint, collector.HttpEndpoint) = (urls[0], urls[1] + "/v1/traces");
        return collector;
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task GrpcAsync(HttpContext context)
    {
        byte[] body = await ReadAsync(context);
        Requests.AddOrUpdate("grpc", 1, static (_, count) => count + 1);
        context.Response.ContentType = "application/grpc";
        context.Response.DeclareTrailer("grpc-status");
        context.Response.DeclareTrailer("grpc-message");
        bool taken = Refuses == 0 && Take(() =>
        {
            Assert.Equal("application/grpc", context.Request.ContentType);
            Assert.Equal("trailers", context.Request.Headers.TE);
            Assert.Equal(0, body[0]);
            Assert.Equal((uint)body.Length - 5, BinaryPrimitives.ReadUInt32BigEndian(body.AsSpan(1)));
            return body[5..];
        });
        await context.Response.Body.WriteAsync(new byte[5]); // an empty answer
        context.Response.AppendTrailer("grpc-status", taken ? "0" : "14");
        context.Response.AppendTrailer("grpc-message", taken ? "" : "no%20room");
    }

    private async Task HttpAsync(HttpContext context)
    {
        byte[] body = await ReadAsync(context);
        Requests.AddOrUpdate("http", 1, static (_, count) => count + 1);
        bool taken = Refuses == 0 && Take(() =>
        {
            Assert.Equal("application/x-protobuf", context.Request.ContentType);
            return body;
        });
        context.Response.StatusCode = taken ? 200 : Refuses == 0 ? 400 : Refuses;
        context.Response.ContentType = "application/x-protobuf";
    }

    private static async Task<byte[]> ReadAsync(HttpContext context)
    {
        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body);
        return body.ToArray();
    }

    private bool Take(Func<byte[]> message)
    {
        try
        {
            foreach (ReceivedSpan span in Decode(message()))
            {
                Spans.Enqueue(span);
            }

            return true;
        }
        catch (Exception e)
        {
            Malformed = e;
            return false;
        }
    }

    private static List<ReceivedSpan> Decode(byte[] request)
    {
        List<ReceivedSpan> spans = [];
        foreach ((_, byte[] resourceSpans) in Messages(request, 1))
        {
            Dictionary<string, object> resource = [];
            foreach (ProtoField field in Fields(resourceSpans))
            {
                switch (field.Number)
                {
                    case 1:
                        resource = Attributes(Fields(field.Bytes), 1);
                        break;
                    case 2:
                        spans.AddRange(ScopeSpans(field.Bytes, resource));
                        break;
                    default:
                        throw new InvalidDataException($"ResourceSpans has no field {field.Number}");
                }
            }
        }

        return spans;
    }

    private static List<ReceivedSpan> ScopeSpans(byte[] message, Dictionary<string, object> resource)
    {
        List<ReceivedSpan> spans = [];
        string scope = "";
        foreach (ProtoField field in Fields(message))
        {
            if (field.Number == 1)
            {
                scope = Encoding.UTF8.GetString(Fields(field.Bytes).First(part => part.Number == 1).Bytes);
            }
            else
            {
                Assert.Equal(2, field.Number);
                spans.Add(Span(Fields(field.Bytes)) with { Resource = resource, Scope = scope });
            }
        }

        return spans;
    }

    private static ReceivedSpan Span(List<ProtoField> fields)
    {
        Assert.All(fields, field => Assert.Contains(field.Number, (int[])[1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16]));
        Assert.Equal(16, One(1).Bytes.Length);
        Assert.Equal(8, One(2).Bytes.Length);
        Assert.Equal(1, One(7).WireType);
        List<ProtoField> status = fields.Where(field => field.Number == 15).Select(field => Fields(field.Bytes)).FirstOrDefault() ?? [];
        return new ReceivedSpan(
            Hex(One(1)), Hex(One(2)), Hex(One(4)), Encoding.UTF8.GetString(One(5).Bytes), (int)One(6).Value, One(7).Value, One(8).Value, Attributes(fields, 9),
            [.. fields.Where(field => field.Number == 13).Select(field => Fields(field.Bytes)).Select(link => (Hex(link.First(part => part.Number == 1)), Hex(link.First(part => part.Number == 2))))],
            (int)status.FirstOrDefault(field => field.Number == 3).Value, Encoding.UTF8.GetString(status.FirstOrDefault(field => field.Number == 2).Bytes ?? []));

        ProtoField One(int number) => fields.FirstOrDefault(field => field.Number == number) is { Number: > 0 } found ? found : new ProtoField(number, 2, 0, []);

        static string Hex(ProtoField field) => Convert.ToHexStringLower(field.Bytes);
    }

    private static Dictionary<string, object> Attributes(List<ProtoField> fields, int number)
    {
        Dictionary<string, object> attributes = [];
        foreach (ProtoField field in fields.Where(field => field.Number == number))
        {
            List<ProtoField> pair = Fields(field.Bytes);
            ProtoField value = Assert.Single(Fields(Assert.Single(pair, part => part.Number == 2).Bytes));
            attributes.Add(Encoding.UTF8.GetString(Assert.Single(pair, part => part.Number == 1).Bytes), value.Number switch
            {
                1 => Encoding.UTF8.GetString(value.Bytes),
                2 => value.Value == 1,
                3 => (long)value.Value,
                4 => BitConverter.UInt64BitsToDouble(value.Value),
                _ => throw new InvalidDataException($"AnyValue has no field {value.Number} that is expected here"),
            });
        }

        return attributes;
    }

    private static IEnumerable<(int Number, byte[] Bytes)> Messages(byte[] message, int number)
    {
        foreach (ProtoField field in Fields(message))
        {
            Assert.Equal((number, 2), (field.Number, field.WireType));
            yield return (field.Number, field.Bytes);
        }
    }

    private static List<ProtoField> Fields(byte[] message)
    {
        List<ProtoField> fields = [];
        for (int at = 0; at < message.Length;)
        {
            ulong tag = Varint(message, ref at);
            int number = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0:
                    fields.Add(new ProtoField(number, 0, Varint(message, ref at), []));
                    break;
                case 1:
                    fields.Add(new ProtoField(number, 1, BinaryPrimitives.ReadUInt64LittleEndian(message.AsSpan(at, 8)), []));
                    at += 8;
                    break;
                case 2:
                    int length = (int)Varint(message, ref at);
                    fields.Add(new ProtoField(number, 2, 0, message[at..(at + length)]));
                    at += length;
                    break;
                case 5:
                    fields.Add(new ProtoField(number, 5, BinaryPrimitives.ReadUInt32LittleEndian(message.AsSpan(at, 4)), []));
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"There is no wire type {tag & 7}");
            }
        }

        return fields;
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            byte next = message[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new InvalidDataException("A number does not end");
    }

    private readonly record struct ProtoField(int Number, int WireType, ulong Value, byte[] Bytes);
}
