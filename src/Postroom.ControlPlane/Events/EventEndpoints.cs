using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The events of the runtime as they happen (TR-8).</summary>
internal sealed class EventEndpoints(EventBoard board, ControlPlaneKeys keys, KeyGate gate, TimeProvider clock)
{
    /// <summary>A client is disconnected when more events than so many come while it reads what was there before them; it goes on by id.</summary>
    public const int MostWaiting = 1_024;

    private const int PerWrite = 128;
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    /// <summary>Whether the server stops, so that streams end.</summary>
    public CancellationToken Stopping { get; set; }

    /// <summary>All events, filtered.</summary>
    public async Task AllAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "type", "queue", "conversation", "messageId");
        string[] kinds = [.. context.Request.Query["type"].SelectMany(value => (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
        if (Array.Find(kinds, kind => !BoardEvent.Kinds.Contains(kind)) is { } wrong)
        {
            throw new BadRequestException("type", $"type '{Names.Shorten(wrong)}' is unknown. Valid: {string.Join(", ", BoardEvent.Kinds)}.");
        }

        if (!kinds.Contains(BoardEvent.Logs) || await gate.AdmitAsync(context, ApiRole.Admin))
        {
            await StreamAsync(context, query, kinds);
        }
    }

    /// <summary>Moves of messages alone.</summary>
    public Task MovesAsync(HttpContext context) => StreamAsync(context, ApiQuery.Of(context, "queue", "conversation", "messageId"), [BoardEvent.Moves]);

    private async Task StreamAsync(HttpContext context, ApiQuery query, string[] kinds)
    {
        ApiKey key = context.Features.Get<ApiKey>()!;
        bool withLogs = key.Role == ApiRole.Admin && (kinds.Length == 0 || kinds.Contains(BoardEvent.Logs));
        EventFilter filter = new(kinds, withLogs, query.Text("queue"), query.Text("conversation"), query.Id("messageId"));
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, Stopping);
        try
        {
            using IDisposable client = await board.EnterAsync(withLogs, either.Token);
            await FollowAsync(context, key, filter, either.Token);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            // The client left, or the server stops.
        }
    }

    private async Task FollowAsync(HttpContext context, ApiKey key, EventFilter filter, CancellationToken cancellationToken)
    {
        HttpResponse response = context.Response;
        long due = board.Last;
        long after = Place(context.Request, out string? gap);
        await EventStream.BeginAsync(response, cancellationToken);
        if (gap is not null)
        {
            Write(response, BoardEvent.GapOf(gap) with { Number = after });
        }

        List<BoardEvent> events = new(PerWrite);
        long checkedAt = clock.GetTimestamp();

        // Neither what a client comes back for nor a burst counts as waiting, only what comes while that is still being read.
        while (true)
        {
            due = after >= due ? board.Last : due;
            if (board.IsBehind(due, filter, MostWaiting))
            {
                return;
            }

            if (board.Read(after, events, PerWrite, out Task arrived))
            {
                after = events.Count > 0 ? events[0].Number - 1 : board.Last;
                Write(response, BoardEvent.GapOf("Events came faster than you read them. Ask anew for what you show.") with { Number = after });
            }

            foreach (BoardEvent item in events)
            {
                if (filter.Wants(item))
                {
                    Write(response, item);
                }
            }

            after = events.Count > 0 ? events[^1].Number : after;
            await response.BodyWriter.FlushAsync(cancellationToken);
            if (events.Count == 0)
            {
                await WaitAsync(response, arrived, cancellationToken);
            }

            if (clock.GetElapsedTime(checkedAt) >= KeepAlive)
            {
                if (await keys.Keys.FindAsync(key.Id, key.Hash, cancellationToken) is null)
                {
                    return; // A key that was revoked sees no more.
                }

                checkedAt = clock.GetTimestamp();
            }
        }
    }

    private void Write(HttpResponse response, in BoardEvent item) => EventStream.Write(response.BodyWriter, new ServerEvent(IdOf(item.Number), item.Name, item.Data));

    private async Task WaitAsync(HttpResponse response, Task arrived, CancellationToken cancellationToken)
    {
        try
        {
            await arrived.WaitAsync(KeepAlive, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            response.BodyWriter.Write(": keep-alive\n\n"u8);
            await response.BodyWriter.FlushAsync(cancellationToken);
        }
    }

    /// <summary>Where a client goes on: behind the event it had last, or from now on; and why it has missed something.</summary>
    private long Place(HttpRequest request, out string? gap)
    {
        gap = null;
        string last = request.Headers["Last-Event-ID"].ToString();
        if (last.Length == 0)
        {
            return board.Last;
        }

        int dash = last.IndexOf('-', StringComparison.Ordinal);
        if (dash < 0 || last[..dash] != board.Run || !long.TryParse(last[(dash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number > board.Last)
        {
            gap = "The last event that you have is of another run. Ask anew for what you show.";
            return board.Last;
        }

        if (number + 1 < board.First)
        {
            gap = "What happened since is kept no longer: there were too many events, or nobody was there to follow them. Ask anew for what you show.";
            return board.Last;
        }

        return number;
    }

    private string IdOf(long number) => string.Create(CultureInfo.InvariantCulture, $"{board.Run}-{number}");
}
