namespace Postroom;

/// <summary>Tells of every move of a store's messages as it is made. A store costs nothing for it while nobody listens. Safe for concurrent use.</summary>
/// <remarks>
/// Unlike <see cref="IJournal.WatchAsync"/> it keeps nothing for a listener that is behind, so a listener misses nothing: it is called by the
/// thread that makes the move. The append of a message is told before the message can be leased, and a move once it can be read back.
/// </remarks>
public interface ITransitionFeed
{
    /// <summary>Calls an observer for every transition from now on, until the result is disposed; one that is under way may still come then.</summary>
    /// <param name="observer">Returns at once, takes no lock that is held while the store is called, and throws nothing.</param>
    IDisposable Observe(Action<Transition> observer);

    /// <summary>As <see cref="Observe"/>, for messages that come to <see cref="MessageState.Failed"/> alone; a store may have this for less.</summary>
    /// <param name="observer">Returns at once, takes no lock that is held while the store is called, and throws nothing.</param>
    IDisposable ObserveFailures(Action<Transition> observer) => Observe(move =>
    {
        if (move.To == MessageState.Failed)
        {
            observer(move);
        }
    });
}
