namespace Postroom;

/// <summary>Optional for a store that commits to a medium: tells of every commit. It costs nothing while nobody listens.</summary>
public interface ICommitFeed
{
    /// <summary>Calls an observer for every commit from now on, until the result is disposed; one that is under way may still come then.</summary>
    /// <param name="observer">Is called on the thread that commits: it returns at once and throws nothing.</param>
    IDisposable ObserveCommits(Action<StoreCommit> observer);
}

/// <summary>One commit of a store.</summary>
/// <param name="Duration">How long the commit itself took, with the flush.</param>
/// <param name="Operations">How many operations it carried; at least 1.</param>
/// <param name="Flushed">Whether it was flushed to the disk before anybody was answered.</param>
public readonly record struct StoreCommit(TimeSpan Duration, int Operations, bool Flushed);
