using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Benchmarks.Runtime;

/// <summary>The payload of every measure.</summary>
internal sealed record Order(long Number, string? Customer, string? Street, string? City, decimal? Total, string Note)
{
    public const string Type = "order.received";

    /// <summary>The number of the first order; all have as many digits, so that all bodies have one size.</summary>
    public const long FirstNumber = 1_000_000;

    public static byte[] Encode(Order order) => JsonSerializer.SerializeToUtf8Bytes(order, OrderJson.Default.Order);

    public static Order Decode(ReadOnlySpan<byte> body) => JsonSerializer.Deserialize(body, OrderJson.Default.Order)!;
}

/// <summary>Makes orders whose JSON has so many bytes.</summary>
internal sealed class OrderMaker
{
    public const int DefaultBytes = 256;

    /// <summary>Below this only number and note have room.</summary>
    private const int SmallBytes = 160;

    private readonly Order _pattern;

    /// <summary>Makes a maker.</summary>
    /// <param name="bytes">At least 64; the note makes up the rest.</param>
    public OrderMaker(int bytes)
    {
        Order empty = bytes < SmallBytes
            ? new Order(Order.FirstNumber, null, null, null, null, "")
            : new Order(Order.FirstNumber, "Ada Lovelace", "12 St James's Square", "London", 129.95m, "");
        _pattern = empty with { Note = new string('x', bytes - Order.Encode(empty).Length) };
    }

    /// <summary>Orders of the size that all measures have unless they say otherwise.</summary>
    public static OrderMaker Default { get; } = new(DefaultBytes);

    public Order Make(long number) => _pattern with { Number = (number % Order.FirstNumber) + Order.FirstNumber };
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Order))]
internal sealed partial class OrderJson : JsonSerializerContext;
