namespace Postroom.Workers;

/// <summary>Does the work of one attempt: calls a handler, or hands a message to a communicator.</summary>
internal interface IMessageRunner
{
    /// <summary>Runs one attempt. Whatever goes wrong with the message is a result, never an exception.</summary>
    ValueTask<AttemptEnd> RunAsync(Attempt attempt);

    /// <summary>Decides what an end means. Pure.</summary>
    Settlement Decide(Attempt attempt, AttemptEnd end);

    /// <summary>Goes by other options from the next attempt on.</summary>
    void Change(WorkerOptions options)
    {
    }

    /// <summary>Whether <see cref="WaitUntilReadyAsync"/> never waits, so that workers may take leases without asking.</summary>
    bool IsAlwaysReady => true;

    /// <summary>Waits until work may be taken; a lane waits for its communicator.</summary>
    ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken);
}
