using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The events of the runtime as they happen (TR-8).</summary>
internal sealed class EventEndpoints(EventBoard board, TimeProvider clock)
{
    /// <summary>A client that has not read so many is disconnected; it goes on by id.</summary>
    public const int MostWaiting = 1_024;

    private const int PerWrite = 128;
    private static readonly string[] Names = ["transition", "health", "config", "worker", "source", "runtime"];
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    /// <summary>Whether the server stops, so that streams end.</summary>
    public CancellationToken Stopping { get; set; }

    /// <summary>All events, filtered.</summary>
    public Task AllAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "type", "queue", "conversation", "messageId");
        string[] types = [.. context.Request.Query["type"].SelectMany(value => (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))];
        return Array.Find(types, type => !Names.Contains(type)) is { } wrong
            ? throw new BadRequestException("type", $"type '{Postroom.Names.Shorten(wrong)}' is unknown. Valid: {string.Join(", ", Names)}.")
            : StreamAsync(context, query, types);
    }

    /// <summary>Moves of messages alone.</summary>
    public Task MovesAsync(HttpContext context) => StreamAsync(context, ApiQuery.Of(context, "queue", "conversation", "messageId"), ["transition"]);

    private async Task StreamAsync(HttpContext context, ApiQuery query, string[] types)
    {
        (string? queue, string? conversation, MessageId? message) = (query.Text("queue"), query.Text("conversation"), query.Id("messageId"));
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, Stopping);
        HttpResponse response = context.Response;
        try
        {
            await board.StartAsync(either.Token);
            long after = Place(context.Request, out string? gap);
            await EventStream.BeginAsync(response, either.Token);
            if (gap is not null)
            {
                await EventStream.SendAsync(response, new ServerEvent(IdOf(after), "gap", JsonSerializer.Serialize(new GapView(gap), EventJson.Default.GapView)), either.Token);
            }

            while (board.Last - after <= MostWaiting || board.First > after + 1)
            {
                IReadOnlyList<BoardEvent> events = board.Read(after, PerWrite, out Task arrived);
                if (events.Count == 0)
                {
                    await WaitAsync(response, arrived, either.Token);
                    continue;
                }

                foreach (BoardEvent item in events)
                {
                    if ((types.Length == 0 || types.Contains(item.Name)) && (queue is null || item.Queue == queue) && (conversation is null || item.Conversation == conversation)
                        && (message is null || item.MessageId == message))
                    {
                        EventStream.Write(response.BodyWriter, new ServerEvent(IdOf(item.Number), item.Name, item.Data));
                    }
                }

                after = events[^1].Number;
                await response.BodyWriter.FlushAsync(either.Token);
            }
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            // The client left, or the server stops.
        }
    }

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

        if (number + 1 < board.First || board.Last - number > MostWaiting)
        {
            gap = "You were away for too many events. Ask anew for what you show.";
            return board.Last;
        }

        return number;
    }

    private string IdOf(long number) => string.Create(CultureInfo.InvariantCulture, $"{board.Run}-{number}");
}
