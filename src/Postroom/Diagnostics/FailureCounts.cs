namespace Postroom.Diagnostics;

/// <summary>How many messages ended failed within the last hour of this run, and how many of them uncertain (HL-5). Called by the store on the thread that made the move, so it only counts.</summary>
internal sealed class FailureCounts(TimeProvider clock) : IDisposable
{
    private readonly HourCount _failed = new();
    private readonly HourCount _uncertain = new();
    private IDisposable? _observing;

    /// <summary>Begins to watch a store.</summary>
    public void Watch(ITransitionFeed feed) => _observing = feed.ObserveFailures(OnFailure);

    /// <summary>Those that failed, uncertain ones aside; and those whose outcome nobody knows.</summary>
    public (long Failed, long Uncertain) LastHour() => (_failed.Count(Minute), _uncertain.Count(Minute));

    public void Dispose() => _observing?.Dispose();

    private long Minute => clock.GetUtcNow().ToUnixTimeSeconds() / 60;

    private void OnFailure(Transition move)
    {
        // What a person gave up needs nobody's attention.
        if (move.Kind != FailureKind.Discarded)
        {
            (move.Kind == FailureKind.Uncertain ? _uncertain : _failed).Add(Minute);
        }
    }
}
