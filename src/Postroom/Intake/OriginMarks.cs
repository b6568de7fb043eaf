namespace Postroom.Intake;

/// <summary>Appends the completion action of a message to the transaction that ends it (SR-8).</summary>
internal sealed class OriginMarks(QueueCatalog queues, QueuePublisher publisher)
{
    /// <summary>What is stored with an outcome: what was staged, and the mark when the origin is to be told of this end.</summary>
    /// <param name="staged">What the attempt staged.</param>
    /// <param name="envelope">The message that ends.</param>
    /// <param name="settlement">How.</param>
    public IReadOnlyList<Envelope> With(IReadOnlyList<Envelope> staged, Envelope envelope, Settlement settlement)
    {
        if (envelope.Headers.Count == 0 || !envelope.Headers.TryGetValue(HeaderNames.OriginKey, out string? key))
        {
            return staged;
        }

        string? outcome = settlement switch
        {
            Settlement.Acknowledged => MarkRequest.Seen,
            Settlement.Failed => MarkRequest.Failed,
            _ => null,
        };
        return outcome is null || !envelope.Headers.TryGetValue(HeaderNames.Source, out string? source) ? staged : [.. staged, Compose(new MarkRequest(source, key, outcome), envelope)];
    }

    private Envelope Compose(MarkRequest request, Envelope parent)
    {
        // A source that is gone may come back: what it is to be told waits for it.
        if (!queues.IsDeclared(MarkLanes.QueueOf(request.Source)))
        {
            queues.Declare(MarkLanes.QueueOf(request.Source), MarkLanes.Options);
        }

        return publisher.ComposeMark(request, new MessageOrigin(parent.Id, parent.Conversation, parent.Hops, parent));
    }
}
