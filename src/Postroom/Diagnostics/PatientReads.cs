namespace Postroom.Diagnostics;

/// <summary>Reads of the runtime's own, whose answers somebody waits for: a few at a time, and again with backoff while the store cannot answer.</summary>
internal sealed class PatientReads(TimeProvider clock)
{
    /// <summary>How many read at once; the others wait.</summary>
    public const int AtATime = 4;

    private static readonly Backoff Again = new(TimeSpan.FromMilliseconds(50), 2, TimeSpan.FromSeconds(5), 0.2);

    private readonly SemaphoreSlim _room = new(AtATime, AtATime);

    /// <summary>Reads until there is an answer or the caller gives up.</summary>
    public async ValueTask<T> ReadAsync<T>(Func<CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        try
        {
            for (int failures = 1; ; failures++)
            {
                try
                {
                    return await read(cancellationToken);
                }
                catch (StoreUnavailableException)
                {
                    await Task.Delay(Again.After(Math.Min(failures, 10), 0.5), clock, cancellationToken);
                }
            }
        }
        finally
        {
            _room.Release();
        }
    }
}
