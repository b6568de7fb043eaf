using System.Collections.Concurrent;

namespace Postroom;

/// <summary>The declared queues and their options. Options may change while messages flow.</summary>
internal sealed class QueueCatalog
{
    private static readonly QueueOptions Defaults = new();
    private readonly ConcurrentDictionary<string, QueueOptions> _queues = new(StringComparer.Ordinal);

    /// <summary>What the settings say of the queues of lanes, before a communicator adds to it.</summary>
    private readonly ConcurrentDictionary<string, QueueOptions> _configured = new(StringComparer.Ordinal);

    public IReadOnlyCollection<string> Names => (IReadOnlyCollection<string>)_queues.Keys;

    public void Declare(string queue, QueueOptions options) => _queues[queue] = options;

    /// <summary>Declares the queue of a lane: what the settings say of it stays, and how often and how soon is tried again is the communicator's.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="lane">What the communicator says.</param>
    public void DeclareLane(string queue, QueueOptions lane)
    {
        QueueOptions set = _configured.GetOrAdd(queue, name => _queues.TryGetValue(name, out QueueOptions? options) ? options : Defaults);
        _queues[queue] = set with { MaxAttempts = lane.MaxAttempts, Backoff = lane.Backoff, Limits = [.. set.Limits, .. lane.Limits] };
    }

    /// <summary>Changes what the settings say of a queue while messages flow.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="options">What the settings say.</param>
    /// <param name="lane">What the communicator of a lane says; null for a queue that is none.</param>
    public void Change(string queue, QueueOptions options, QueueOptions? lane)
    {
        if (lane is null)
        {
            Declare(queue, options);
            return;
        }

        _configured[queue] = options;
        DeclareLane(queue, lane);
    }

    public bool IsDeclared(string queue) => _queues.ContainsKey(queue);

    /// <summary>The options of a queue; the defaults for one that is not declared.</summary>
    public QueueOptions Get(string queue) => _queues.TryGetValue(queue, out QueueOptions? options) ? options : Defaults;

    /// <summary>The options of a declared queue.</summary>
    /// <exception cref="AddressException">The queue is not declared; the text names the nearest one.</exception>
    public QueueOptions Require(string queue)
    {
        return _queues.TryGetValue(queue, out QueueOptions? options)
            ? options
            : throw new AddressException(
                $"Queue '{queue}' is not declared. {(Postroom.Names.Nearest(queue, _queues.Keys) is { } near ? $"Did you mean '{near}'?" : $"Declared are {string.Join(", ", _queues.Keys.Order(StringComparer.Ordinal).Take(20))}.")} "
                + $"Call AddQueue(\"{queue}\") in a module.");
    }

    /// <summary>The order key of a message by its queue's rule.</summary>
    public static string? OrderKey(QueueOptions options, string? conversation, IReadOnlyDictionary<string, string> headers)
    {
        return options.Order.Kind switch
        {
            QueueOrderKind.None => null,
            QueueOrderKind.Header => headers.TryGetValue(options.Order.Header ?? "", out string? value) ? value : null,
            _ => conversation,
        };
    }
}
