using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Postroom.Handling;

/// <summary>The declared payload types and how each is read and written. Frozen after the start.</summary>
internal sealed class PayloadCatalog
{
    private readonly Dictionary<string, JsonTypeInfo> _types = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _aliases = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IUpcaster> _upcasters = new(StringComparer.Ordinal);

    public IEnumerable<string> Types => _types.Keys;

    public void Add(string type, JsonTypeInfo json) => _types[type] = json;

    public void AddAlias(string oldType, string newType) => _aliases[oldType] = newType;

    public void AddUpcaster(IUpcaster upcaster) => _upcasters[upcaster.FromType] = upcaster;

    /// <summary>The current name of a type.</summary>
    public string Resolve(string type)
    {
        if (_aliases.Count == 0 && _upcasters.Count == 0)
        {
            return type;
        }

        // Bounded, so that two aliases that name each other do not loop.
        for (int i = 0; i < 8; i++)
        {
            if (_upcasters.TryGetValue(type, out IUpcaster? upcaster))
            {
                type = upcaster.ToType;
            }
            else if (_aliases.TryGetValue(type, out string? current))
            {
                type = current;
            }
            else
            {
                break;
            }
        }

        return type;
    }

    /// <summary>The body as the current version of its type.</summary>
    public ReadOnlyMemory<byte> Upcast(string type, ReadOnlyMemory<byte> body)
    {
        for (int i = 0; i < 8 && _upcasters.TryGetValue(type, out IUpcaster? upcaster); i++)
        {
            body = upcaster.Upcast(body);
            type = upcaster.ToType;
        }

        return body;
    }

    /// <summary>Writes a payload.</summary>
    /// <exception cref="InvalidOperationException">The type is not declared, or for another payload.</exception>
    public ReadOnlyMemory<byte> Write<T>(string type, T payload)
    {
        if (!_types.TryGetValue(type, out JsonTypeInfo? json))
        {
            throw new InvalidOperationException(
                $"Payload type '{type}' is not declared{(Names.Nearest(type, _types.Keys) is { } near ? $"; did you mean '{near}'?" : ".")} "
                + $"Call AddPayload<{typeof(T).Name}>(\"{type}\", …) or AddHandler<{typeof(T).Name}, …>(\"{type}\", …) in a module.");
        }

        return json is JsonTypeInfo<T> typed
            ? JsonSerializer.SerializeToUtf8Bytes(payload, typed)
            : throw new InvalidOperationException($"Payload type '{type}' is declared for {json.Type.Name}; this is a {typeof(T).Name}. Use a type of its own.");
    }
}
