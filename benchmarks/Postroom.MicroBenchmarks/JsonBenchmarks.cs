using System.Text.Json;
using BenchmarkDotNet.Attributes;
using Postroom.Benchmarks.Http;
using Postroom.Benchmarks.Runtime;

namespace Postroom.MicroBenchmarks;

/// <summary>What do a payload, a chat message and a posted message cost to write and to read?</summary>
public class JsonBenchmarks
{
    private readonly Order _order = OrderMaker.Default.Make(0);
    private readonly IncomingMessage _message = Posted().ToIncoming("test");
    private readonly string _posted = WebhookRequest.Body(0, "test");
    private byte[] _orderBody = [];
    private byte[] _messageBody = [];

    [GlobalSetup]
    public void Setup()
    {
        _orderBody = WritePayload();
        _messageBody = WriteMessage();
    }

    [Benchmark]
    public byte[] WritePayload() => Order.Encode(_order);

    [Benchmark]
    public object ReadPayload() => Order.Decode(_orderBody);

    [Benchmark]
    public byte[] WriteMessage() => JsonSerializer.SerializeToUtf8Bytes(_message, PostroomJson.Default.IncomingMessage);

    [Benchmark]
    public IncomingMessage? ReadMessage() => JsonSerializer.Deserialize(_messageBody, PostroomJson.Default.IncomingMessage);

    /// <summary>From the posted body to the envelope that intake takes.</summary>
    [Benchmark]
    public Envelope TranslatePosted()
    {
        using JsonDocument posted = JsonDocument.Parse(_posted);
        return Message.FromPayload(posted.RootElement).ToEnvelope("in", "test");
    }

    private static Message Posted()
    {
        using JsonDocument posted = JsonDocument.Parse(WebhookRequest.Body(0, "test"));
        return Message.FromPayload(posted.RootElement);
    }
}
