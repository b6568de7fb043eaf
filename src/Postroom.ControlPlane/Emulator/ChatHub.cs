using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Gives each event to the streams of its contact, and to those of all contacts. Safe for concurrent use.</summary>
/// <param name="journal">Replays what a client missed.</param>
/// <param name="clock">Times the keep-alive comments.</param>
/// <param name="maxStreams">The most streams at once (EU-6).</param>
internal sealed class ChatHub(IChatJournal journal, TimeProvider clock, int maxStreams = 1000)
{
    private readonly ConcurrentDictionary<EventStream, string?> _streams = new();
    private int _count;

    /// <summary>How many clients are connected.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Hands an event to everyone who listens.</summary>
    /// <returns>How many streams of this contact took it; the journal keeps it for the others.</returns>
    public int Publish(string contact, ServerEvent item)
    {
        int taken = 0;
        foreach ((EventStream stream, string? listensTo) in _streams)
        {
            if (listensTo is null)
            {
                stream.TryAdd(item);
            }
            else if (string.Equals(listensTo, contact, StringComparison.Ordinal) && stream.TryAdd(item))
            {
                taken++;
            }
        }

        return taken;
    }

    /// <summary>Disconnects everyone; they come back by themselves.</summary>
    public void EndAll()
    {
        foreach (EventStream stream in _streams.Keys)
        {
            stream.End();
        }
    }

    /// <summary>Serves one client of <c>GET /events</c> until it leaves. Access has been checked before.</summary>
    /// <param name="context">The position is header <c>Last-Event-ID</c>, else query <c>lastEventId</c>: a page that was reloaded cannot set the header.</param>
    /// <param name="contact">Whose messages; null for all contacts'.</param>
    public async Task ServeAsync(HttpContext context, string? contact)
    {
        if (Interlocked.Increment(ref _count) > maxStreams)
        {
            Interlocked.Decrement(ref _count);
            await new Problem { Status = 503, Code = ProblemCode.RateLimited, Detail = $"All {maxStreams} streams are in use.", RetryAfterSeconds = 5 }.WriteAsync(context);
            return;
        }

        EventStream stream = new(clock);
        try
        {
            // Listening begins before the replay: what is published during it waits, and what was replayed is skipped by its id.
            _streams[stream] = contact;
            await EventStream.BeginAsync(context.Response, context.RequestAborted);
            HashSet<string> replayed = await ReplayAsync(context, contact);
            await stream.PumpAsync(
                context.Response,
                skip: item => item.Id is not null && replayed.Contains(item.Id),
                written: item => ReportCarried(contact, item),
                context.RequestAborted);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client left during the replay.
        }
        finally
        {
            _streams.TryRemove(stream, out _);
            Interlocked.Decrement(ref _count);
        }

        if (stream.Ended.IsCancellationRequested)
        {
            context.Abort();
        }
    }

    private async Task<HashSet<string>> ReplayAsync(HttpContext context, string? contact)
    {
        HashSet<string> replayed = new(StringComparer.Ordinal);
        CancellationToken left = context.RequestAborted;
        string? after = context.Request.Headers["Last-Event-ID"].FirstOrDefault() ?? context.Request.Query["lastEventId"].FirstOrDefault();
        if (string.IsNullOrEmpty(after))
        {
            // An id without data: the client remembers where it began, even when it loses the connection before its first message.
            if (await journal.PositionAsync(contact, left) is { } position)
            {
                await EventStream.SendAsync(context.Response, new ServerEvent(position, null, null), left);
            }

            return replayed;
        }

        await foreach (ServerEvent item in journal.ReplayAsync(contact, after, left))
        {
            await EventStream.SendAsync(context.Response, item, left);
            ReportCarried(contact, item);
            if (item.Id is not null)
            {
                replayed.Add(item.Id);
            }
        }

        return replayed;
    }

    private void ReportCarried(string? contact, ServerEvent item)
    {
        if (contact is not null && item is { Id: { } id, Data: not null })
        {
            journal.Carried(contact, id);
        }
    }
}
