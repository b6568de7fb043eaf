using System.Diagnostics;

namespace Postroom.Benchmarks.Http;

/// <summary>A communicator whose service takes everything at once and keeps nothing but a count.</summary>
internal sealed class CountingCommunicator() : Communicator(ChannelName)
{
    public const string ChannelName = "counter";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private long _sent;
    private long _firstAt;
    private long _lastAt;

    public override CommunicatorCapabilities Capabilities { get; } = new();

    public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        long now = Stopwatch.GetTimestamp();
        _ = Interlocked.CompareExchange(ref _firstAt, now, 0);
        Volatile.Write(ref _lastAt, now);
        Interlocked.Increment(ref _sent);
        return new ValueTask<DeliveryReceipt>(new DeliveryReceipt { Status = DeliveryStatus.Sent, At = TimeProvider.System.GetUtcNow() });
    }

    /// <summary>Waits for so many sends.</summary>
    /// <returns>How many a second there were from the first to the last.</returns>
    /// <exception cref="TimeoutException">They did not come.</exception>
    public async Task<double> RateAsync(long sends)
    {
        long started = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _sent) < sends)
        {
            if (Stopwatch.GetElapsedTime(started) > Limit)
            {
                throw new TimeoutException($"Only {_sent} of {sends} replies were sent after {Limit}.");
            }

            await Task.Delay(1);
        }

        return sends / Stopwatch.GetElapsedTime(_firstAt, _lastAt).TotalSeconds;
    }
}
