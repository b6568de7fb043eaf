namespace Postroom.Configuration;

/// <summary>A layer that can keep an override after the process ends, such as the settings of the store.</summary>
public interface IWritableConfigurationLayer : IConfigurationLayer
{
    /// <summary>Stores or removes one setting and returns after it is durable.</summary>
    /// <param name="key">The path of the setting, such as <c>workers.orders.parallelism</c>.</param>
    /// <param name="value">The value as text or JSON, unexpanded; null removes it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask WriteAsync(string key, string? value, CancellationToken cancellationToken);
}
