namespace Postroom.Storage;

/// <summary>A store that other nodes change as well, beside what the runtime itself writes; nodes reach each other through it.</summary>
internal interface ISharedStore
{
    /// <summary>Calls an observer when another node has changed facts that all nodes go by, until the result is disposed.</summary>
    /// <param name="observer">Is given the scope. Returns at once and throws nothing.</param>
    IDisposable OnFactsChanged(Action<string> observer);

    /// <summary>Answers, from now on, what other nodes ask of this one as the node that delivers for a communicator.</summary>
    /// <param name="answer">Is given the communicator, what is asked, and its content; gives the answer, or null for none.</param>
    void AnswerAsGateway(Func<GatewayAsk, CancellationToken, ValueTask<string?>> answer);

    /// <summary>Asks the node that delivers for a communicator. What is asked is done once at most.</summary>
    /// <param name="ask">What.</param>
    /// <param name="within">How long an answer is waited for; null when none is wanted.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The answer; null when none came in time, or none is wanted.</returns>
    /// <exception cref="StoreUnavailableException">The store cannot be reached.</exception>
    ValueTask<string?> AskGatewayAsync(GatewayAsk ask, TimeSpan? within, CancellationToken cancellationToken);
}

/// <summary>Something that is asked of the node that delivers for a communicator.</summary>
/// <param name="Communicator">The communicator.</param>
/// <param name="Kind">What is asked: <c>rpc</c> or <c>signal</c>.</param>
/// <param name="Content">Its content as JSON.</param>
internal sealed record GatewayAsk(string Communicator, string Kind, string Content);
