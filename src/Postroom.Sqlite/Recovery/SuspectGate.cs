using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Lets messages that were in work when the process died twice run alone, one after the other, so that an innocent neighbour is not charged.</summary>
/// <remarks>A suspect that lives for five seconds is cleared; one that nobody takes holds the others back for thirty at most.</remarks>
internal sealed class SuspectGate : IDisposable
{
    private static readonly TimeSpan Alone = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Untaken = TimeSpan.FromSeconds(30);

    private readonly LaneSet _lanes;
    private readonly Lock _gate = new();
    private readonly Queue<OpenMessage> _suspects;
    private readonly ITimer _timer;
    private OpenMessage? _current;
    private bool _released;

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
        lock (_gate)
        {
            if (_released || (ended is not null && _current?.Envelope.Id != ended))
            {
                return;
            }

            _released = !_suspects.TryDequeue(out suspect);
            _current = suspect;
            if (suspect is not null)
            {
                _timer.Change(Untaken, Timeout.InfiniteTimeSpan);
            }
        }

        if (suspect is null)
        {
            _lanes.Release();
            return;
        }

        _lanes.Readmit(suspect);
    }
}
