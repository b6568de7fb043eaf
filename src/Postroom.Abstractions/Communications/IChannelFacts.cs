namespace Postroom;

/// <summary>Small values that a communicator keeps in the store, under its own name: a chat that moved, when a contact wrote last. Safe for concurrent use.</summary>
public interface IChannelFacts
{
    /// <summary>Reads a value; null when there is none or its time is over.</summary>
    /// <param name="key">Its name, at most 256 characters.</param>
    /// <param name="cancellationToken">Ends the read.</param>
    ValueTask<string?> ReadAsync(string key, CancellationToken cancellationToken);

    /// <summary>Keeps a value; returns after the commit.</summary>
    /// <param name="key">Its name, at most 256 characters.</param>
    /// <param name="value">At most <see cref="StoredFact.MaxValueBytes"/> of UTF-8; null removes it.</param>
    /// <param name="keep">How long it is kept; null for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask WriteAsync(string key, string? value, TimeSpan? keep, CancellationToken cancellationToken);
}
