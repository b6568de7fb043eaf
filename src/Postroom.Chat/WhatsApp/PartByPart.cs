namespace Postroom.Chat;

/// <summary>Sends the parts of a message in order (LN-6).</summary>
internal static class PartByPart
{
    /// <summary>Sends every part that no earlier attempt delivered, and stores after each but the last that it is delivered; the last is in the receipt. Each has a turn of its own.</summary>
    /// <param name="count">How many parts there are.</param>
    /// <param name="context">What earlier attempts delivered.</param>
    /// <param name="send">Sends the part of an index and gives the service's id of it.</param>
    /// <param name="cancellationToken">Ends the wait for a turn.</param>
    /// <returns>The ids of all parts.</returns>
    public static async ValueTask<IReadOnlyList<string>> SendAsync(int count, DeliveryContext context, Func<int, ValueTask<string>> send, CancellationToken cancellationToken)
    {
        List<string> ids = [.. context.Progress.Take(count)];
        int first = ids.Count;
        for (int index = first; index < count; index++)
        {
            if (index > first)
            {
                await context.WaitForTurnAsync(cancellationToken);
            }

            ids.Add(await send(index));
            if (index < count - 1)
            {
                await context.SaveProgressAsync(ids[index], CancellationToken.None); // The service has it: a stop must not make that uncertain.
            }

            // Only now: a part whose progress was not stored has left, and what follows from it is uncertain.
            context.BytesLeft = false;
        }

        return ids;
    }
}
