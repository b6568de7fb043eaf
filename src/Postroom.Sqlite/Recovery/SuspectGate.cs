using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Lets messages that were in work when the process died twice run alone, one after the other, so that an innocent neighbour is not charged.</summary>
/// <remarks>
/// A suspect that lives for five seconds is cleared. One that nobody takes, because its queue is paused or has no workers or its type is parked, holds
/// the others back for five seconds as well, counted from when somebody asks for any message: until then the program is still starting, and no more
/// than thirty.
/// </remarks>
internal sealed class SuspectGate : IDisposable
{
    private static readonly TimeSpan Alone = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Starting = TimeSpan.FromSeconds(30);

    private readonly LaneSet _lanes;
    private readonly Lock _gate = new();
    private readonly Queue<OpenMessage> _suspects;
    private readonly ITimer _timer;
    private readonly HashSet<string> _untaken = new(StringComparer.Ordinal);
    private OpenMessage? _current;
    private bool _began;
    private volatile bool _asked;
    private volatile bool _released;

    public SuspectGate(LaneSet lanes, IEnumerable<OpenMessage> suspects)
    {
        _lanes = lanes;
        _suspects = new Queue<OpenMessage>(suspects);
        _timer = lanes.Clock.CreateTimer(static gate => ((SuspectGate)gate!).Next(null), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Start() => Next(null);

    /// <summary>A message begins; when it is the suspect its five seconds start.</summary>
    public void Began(MessageId id)
    {
        lock (_gate)
        {
            if (!_released && _current?.Envelope.Id == id)
            {
                _began = true;
                _timer.Change(Alone, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Somebody asks a queue for a message, so workers run; the suspect's own would have it by now, or come too late to have it alone.</summary>
    public void Asked(string queue)
    {
        if (_asked || _released || OutboundQueue.Is(queue))
        {
            return; // lanes read before the workers start
        }

        lock (_gate)
        {
            if (!_asked && !_released && !_began)
            {
                _timer.Change(Alone, Timeout.InfiniteTimeSpan);
            }

            _asked = true;
        }
    }

    /// <summary>The rules of a queue changed; a suspect that cannot be taken any more holds the others back no longer than one that runs.</summary>
    public void RulesChanged(string queue)
    {
        lock (_gate)
        {
            if (!_released && !_began && _current is { } suspect && suspect.Envelope.Queue == queue && !MayBeTaken(suspect))
            {
                _timer.Change(Alone, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>A message's attempt ended.</summary>
    public void Ended(MessageId id)
    {
        if (!_released)
        {
            Next(id);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Next(MessageId? ended)
    {
        OpenMessage? suspect;
        List<OpenMessage> waiting = [];
        lock (_gate)
        {
            if (_released || (ended is not null && _current?.Envelope.Id != ended))
            {
                return;
            }

            // A queue whose suspect nobody took, paused or without a handler, holds the others back once and not once per suspect.
            if (ended is null && !_began && _current is { } untaken)
            {
                _untaken.Add(untaken.Envelope.Queue);
            }

            while (_suspects.TryDequeue(out suspect) && _untaken.Contains(suspect.Envelope.Queue))
            {
                waiting.Add(suspect);
            }

            _released = suspect is null;
            _current = suspect;
            _began = false;
            if (suspect is not null)
            {
                _timer.Change(_asked || !MayBeTaken(suspect) ? Alone : Starting, Timeout.InfiniteTimeSpan);
            }
        }

        foreach (OpenMessage message in waiting)
        {
            _lanes.Readmit(message);
        }

        if (suspect is null)
        {
            _lanes.Release();
            return;
        }

        _lanes.Readmit(suspect);
    }

    private bool MayBeTaken(OpenMessage suspect)
    {
        QueueRules rules = _lanes.RulesOf(suspect.Envelope.Queue);
        return !rules.Paused && !rules.ParkedTypes.Contains(suspect.Envelope.Type);
    }
}
