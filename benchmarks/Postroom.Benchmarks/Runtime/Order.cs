using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Benchmarks.Runtime;

/// <summary>The payload of every measure: 256 bytes as JSON.</summary>
internal sealed record Order(long Number, string Customer, string Street, string City, decimal Total, string Note)
{
    public const string Type = "order.received";

    /// <summary>How many bytes its JSON has; the note makes up the rest.</summary>
    public const int Bytes = 256;

    private static readonly string Filler = FillerFor(Bytes);

    public static Order Make(long number) => new(number % 1_000_000 + 1_000_000, "Ada Lovelace", "12 St James's Square", "London", 129.95m, Filler);

    public static byte[] Encode(Order order) => JsonSerializer.SerializeToUtf8Bytes(order, OrderJson.Default.Order);

    public static Order Decode(ReadOnlySpan<byte> body) => JsonSerializer.Deserialize(body, OrderJson.Default.Order)!;

    private static string FillerFor(int bytes)
    {
        int rest = JsonSerializer.SerializeToUtf8Bytes(new Order(1_000_000, "Ada Lovelace", "12 St James's Square", "London", 129.95m, ""), OrderJson.Default.Order).Length;
        return new string('x', bytes - rest);
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Order))]
internal sealed partial class OrderJson : JsonSerializerContext;
