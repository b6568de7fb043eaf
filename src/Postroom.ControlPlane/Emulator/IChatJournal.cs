namespace Postroom.ControlPlane;

/// <summary>What the web chat needs of the journal. Ids are opaque to it, except that <c>0</c> means before the first message.</summary>
internal interface IChatJournal
{
    /// <summary>The messages after <paramref name="afterId"/>, oldest first, at most 1,000 or as far as they are retained; then states that may have been missed.</summary>
    /// <param name="contact">Whose messages; null for all contacts'.</param>
    /// <param name="afterId">The last id the client has; <c>0</c> for all.</param>
    /// <param name="cancellationToken">Ends the read.</param>
    IAsyncEnumerable<ServerEvent> ReplayAsync(string? contact, string afterId, CancellationToken cancellationToken);

    /// <summary>The id after which a client that knows nothing starts; null when there is nothing yet.</summary>
    ValueTask<string?> PositionAsync(string? contact, CancellationToken cancellationToken);

    /// <summary>A stream of the contact carried the message: its receipt becomes <c>delivered</c> (EU-5). Called for each stream; quick, does not throw.</summary>
    void Carried(string contact, string id);
}
