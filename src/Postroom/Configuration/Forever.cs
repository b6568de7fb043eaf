namespace Postroom.Configuration;

/// <summary>Waits for what never comes.</summary>
internal static class Forever
{
    /// <summary>Completes, without an error, when the token is cancelled.</summary>
    public static Task UntilCancelled(CancellationToken cancellationToken)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        CancellationTokenRegistration registration = cancellationToken.Register(() => ended.TrySetResult());
        return WaitAsync();

        async Task WaitAsync()
        {
            await using (registration)
            {
                await ended.Task;
            }
        }
    }
}
