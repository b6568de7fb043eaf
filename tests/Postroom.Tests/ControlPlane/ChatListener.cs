using System.Threading.Channels;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>One event as a browser reads it.</summary>
internal sealed record ReceivedEvent(string? Id, string? Name, string? Data);

/// <summary>Reads an event stream as a browser does.</summary>
internal sealed class Listener : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly HttpResponseMessage _response;
    private readonly CancellationTokenSource _left = new();
    private readonly Channel<ReceivedEvent> _events = Channel.CreateUnbounded<ReceivedEvent>();
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    private Listener(HttpResponseMessage response)
    {
        _response = response;
        _reading = ReadAsync();
    }

    /// <summary>Everything that came so far.</summary>
    public List<ReceivedEvent> All { get; } = [];

    public static Task<Listener> OpenAsync(HttpFixture http, string? contact, string? lastEventId = null) => OpenAsync(http.Client, contact, lastEventId);

    public static async Task<Listener> OpenAsync(HttpClient client, string? contact, string? lastEventId = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, contact is null ? "/events" : $"/events?sender={contact}");
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        Listener listener = new(response);
        if (lastEventId is null)
        {
            // The position is the first thing sent; from then on nothing is missed.
            await listener._begun.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        }

        return listener;
    }

    /// <summary>The next event with content that fits.</summary>
    public async Task<ReceivedEvent> NextAsync(Func<ReceivedEvent, bool> which)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        while (true)
        {
            ReceivedEvent item = await _events.Reader.ReadAsync(limit.Token);
            All.Add(item);
            if (item.Data is not null && which(item))
            {
                return item;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _left.CancelAsync();
        _response.Dispose();
        await _reading;
        _left.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            using StreamReader reader = new(await _response.Content.ReadAsStreamAsync(_left.Token));
            (string? id, string? name, string? data) = (null, null, null);
            while (await reader.ReadLineAsync(_left.Token) is { } line)
            {
                if (line.Length == 0)
                {
                    if (id is not null || data is not null)
                    {
                        _events.Writer.TryWrite(new ReceivedEvent(id, name, data));
                        _begun.TrySetResult();
                    }

                    (id, name, data) = (null, null, null);
                    continue;
                }

                string value = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].TrimStart();
                (id, name, data) = line.Split(':')[0] switch
                {
                    "id" => (value, name, data),
                    "event" => (id, value, data),
                    "data" => (id, name, data is null ? value : $"{data}\n{value}"),
                    _ => (id, name, data),
                };
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
            // Left, or disconnected by the server.
        }

        _events.Writer.TryComplete();
    }
}

/// <summary>A delivery of a lease.</summary>
internal sealed class LeasedDelivery(MessageLease lease) : DeliveryContext
{
    public override MessageId MessageId => lease.Envelope.Id;

    public override int Attempt => 1;

    public override bool Redelivered => false;

    public override Address? Recipient => lease.Envelope.To;

    public override string? Conversation => lease.Envelope.Conversation;

    public override string IdempotencyKey => MessageId.ToString();

    public override Envelope Envelope => lease.Envelope;

    public override IReadOnlyList<string> Progress => [];

    public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken) => default;
}
