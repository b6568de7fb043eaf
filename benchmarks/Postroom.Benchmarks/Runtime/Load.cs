using System.Diagnostics;
using System.Runtime.CompilerServices;
using Postroom.Benchmarks.Harness;

namespace Postroom.Benchmarks.Runtime;

/// <summary>A pipeline as a load sees it: something to publish into that counts what it handles.</summary>
internal interface IPipeline : IAsyncDisposable
{
    /// <summary>How many messages are completely done: handled and acknowledged.</summary>
    long Done { get; }

    /// <summary>Commits so far; 0 for a pipeline that has none.</summary>
    long Commits { get; }

    /// <summary>Publishes one message; completes when it is accepted (durable ones: committed).</summary>
    ValueTask PublishAsync(long number);
}

/// <summary>The loads. The same code drives Postroom and what it is held against.</summary>
internal static class Load
{
    /// <summary>How many messages may be on their way where publishing itself does not wait.</summary>
    private const int Window = 8_192;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>Publishers that each wait for their message before they publish the next, until the time is over; then waits until all is done.</summary>
    public static async Task<Sample> SaturateAsync(IPipeline pipeline, int publishers, TimeSpan duration)
    {
        Meter meter = new();
        long end = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        StrongBox<long> sum = new();
        long[] published = await Task.WhenAll(Enumerable.Range(0, publishers).Select(publisher => Task.Run(() => PublishAsync(pipeline, publisher, publishers, end, sum))));
        long all = published.Sum();
        await DoneAsync(pipeline, all, Patience);
        return meter.Stop(all, pipeline.Commits);
    }

    /// <summary>Publishes at a steady rate without waiting for answers; the latencies are in the counter.</summary>
    public static async Task PaceAsync(IPipeline pipeline, Counter counter, int messages, int perSecond)
    {
        await Task.Factory.StartNew(
            () =>
            {
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < messages; i++)
                {
                    TimeSpan wait = TimeSpan.FromSeconds((double)i / perSecond) - Stopwatch.GetElapsedTime(start);
                    if (wait > TimeSpan.Zero)
                    {
                        // A thread of its own, not a timer: what is measured uses the thread pool, and must not be what paces it.
                        Thread.Sleep(wait);
                    }

                    counter.Publishing(i);
                    _ = pipeline.PublishAsync(i).AsTask();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        await DoneAsync(pipeline, messages, Patience);
    }

    private static async Task<long> PublishAsync(IPipeline pipeline, int publisher, int publishers, long end, StrongBox<long> published)
    {
        long count = 0;
        while (Stopwatch.GetTimestamp() < end)
        {
            await pipeline.PublishAsync((count * publishers) + publisher);
            count++;

            if ((count & 63) == 0)
            {
                Interlocked.Add(ref published.Value, 64);
                while (Volatile.Read(ref published.Value) - pipeline.Done > Window)
                {
                    await Task.Delay(1);
                }
            }
        }

        return count;
    }

    /// <summary>Waits until so many messages are done.</summary>
    /// <exception cref="TimeoutException">They were not in time.</exception>
    public static async Task DoneAsync(IPipeline pipeline, long all, TimeSpan limit)
    {
        long started = Stopwatch.GetTimestamp();
        while (pipeline.Done < all)
        {
            await Task.Delay(1);
            if (Stopwatch.GetElapsedTime(started) > limit)
            {
                throw new TimeoutException($"Only {pipeline.Done} of {all} messages are done after {limit}.");
            }
        }
    }
}
