using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom;

/// <summary>Makes communicators from their configuration. An unknown type or a factory that throws gives a <see cref="NoOpCommunicator"/>.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public sealed partial class CommunicatorFactory
{
    private readonly ConcurrentDictionary<string, CommunicatorFactoryMethod> _factories;
    private readonly IServiceProvider _services;
    private readonly ILogger _log;

    internal CommunicatorFactory(IServiceProvider services, IEnumerable<KeyValuePair<string, CommunicatorFactoryMethod>> factories, ILogger log)
    {
        _services = services;
        _factories = new ConcurrentDictionary<string, CommunicatorFactoryMethod>(StringComparer.OrdinalIgnoreCase);
        foreach ((string type, CommunicatorFactoryMethod factory) in factories)
        {
            _factories[type] = factory;
        }

        _log = log;
    }

    /// <summary>Registers how communicators of a type are made; the last registration wins.</summary>
    public void RegisterBackend(string type, CommunicatorFactoryMethod factory)
    {
        _factories[type] = factory;
        Registered?.Invoke();
    }

    /// <summary>Takes registrations that it has none for.</summary>
    internal void RegisterMissing(IEnumerable<KeyValuePair<string, CommunicatorFactoryMethod>> factories)
    {
        bool any = false;
        foreach ((string type, CommunicatorFactoryMethod factory) in factories)
        {
            any |= _factories.TryAdd(type, factory);
        }

        if (any)
        {
            Registered?.Invoke();
        }
    }

    /// <summary>Is told of each registration.</summary>
    internal Action? Registered { get; set; }

    /// <summary>Makes a communicator.</summary>
    public ICommunicator CreateCommunicator(string name, CommunicatorBackendConfig config)
    {
        if (!_factories.TryGetValue(config.Type, out CommunicatorFactoryMethod? create))
        {
            LogUnknown(name, config.Type, _factories.IsEmpty ? "A module makes a type known with RegisterBackend." : NearestName.Hint(config.Type, [.. _factories.Keys.Order(StringComparer.Ordinal)]));
            return new NoOpCommunicator(name, $"Type '{config.Type}' is not registered. Known types are {string.Join(", ", _factories.Keys.Order(StringComparer.Ordinal))}; call RegisterBackend(\"{config.Type}\", …).");
        }

        try
        {
            return create(name, config, _services);
        }
        catch (Exception e)
        {
            LogBroken(e, name, config.Type);
            return new NoOpCommunicator(name, $"It could not be made: {e.Message}");
        }
    }

    [LoggerMessage(435, LogLevel.Warning, "Communicator '{Name}' has the unknown type '{Type}', so its messages are held until a program that knows it runs. {Hint}")]
    private partial void LogUnknown(string name, string type, string hint);

    [LoggerMessage(431, LogLevel.Error, "Communicator '{Name}' of type '{Type}' could not be made; its messages are held.")]
    private partial void LogBroken(Exception exception, string name, string type);
}
