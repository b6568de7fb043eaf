using System.Text;

namespace Postroom.Outbound;

/// <summary>What one communicator keeps in the store.</summary>
internal sealed class ChannelFacts(string communicator, IMessageStore store, TimeProvider clock) : IChannelFacts
{
    public async ValueTask<string?> ReadAsync(string key, CancellationToken cancellationToken)
    {
        StoredFact? fact = await store.Facts.GetAsync(FactScopes.Channel, KeyOf(key), cancellationToken);
        return fact is null ? null : Encoding.UTF8.GetString(fact.Value.Span);
    }

    public async ValueTask WriteAsync(string key, string? value, TimeSpan? keep, CancellationToken cancellationToken)
    {
        byte[]? bytes = value is null ? null : Encoding.UTF8.GetBytes(value);
        if (bytes?.Length > StoredFact.MaxValueBytes)
        {
            throw new ArgumentException($"What communicator '{communicator}' keeps as '{Names.Shorten(key)}' has {bytes.Length} bytes; the limit is {StoredFact.MaxValueBytes}.", nameof(value));
        }

        FactChange change = new(FactScopes.Channel, KeyOf(key), bytes is null ? default(ReadOnlyMemory<byte>?) : bytes, keep is { } time ? clock.GetUtcNow() + time : null);
        await store.WriteAsync(new StoreWrite { Facts = [change] }, cancellationToken);
    }

    private string KeyOf(string key)
    {
        QueuePublisher.CheckLength(key, 256, "The key");
        return $"{communicator}/{key}";
    }
}
