using System.Net;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>Asks the bridge for its state at the start, and whenever nothing was sent for 120 seconds (WA-13).</summary>
/// <param name="http">The bridge.</param>
/// <param name="url">Where it is, without a slash at the end.</param>
/// <param name="clock">Measures the interval.</param>
internal sealed class BridgeProbe(ServiceHttp http, string url, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>How long nothing is sent before it is asked.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(120);

    private static readonly string[] Connected = ["connected", "ready", "open", "authenticated"];

    /// <summary>Below it a timer would not wait.</summary>
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private long _heardAt = clock.GetTimestamp();
    private volatile string? _status;

    /// <summary>What is wrong with the bridge and what to do; null when nothing is known to be.</summary>
    public string? StatusText => _status;

    private string Unpaired => $"The WhatsApp bridge at {url} is not connected: pair it again by scanning the code it shows with WhatsApp, Linked devices.";

    /// <summary>Begins to ask.</summary>
    public void Start() => _loop = Task.Run(RunAsync);

    /// <summary>Takes note of an answer to a send, which tells as much as a probe.</summary>
    public void Note(ServiceAnswer answer)
    {
        Volatile.Write(ref _heardAt, clock.GetTimestamp());
        _status = answer.Succeeded ? null
            : answer.Status == HttpStatusCode.ServiceUnavailable ? Unpaired
            : answer.Status == HttpStatusCode.Unauthorized ? "The WhatsApp bridge refuses the token; set bridgeToken to the one it was started with."
            : _status;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        await AskAsync(_stopping.Token);
        while (true)
        {
            TimeSpan left = Interval - clock.GetElapsedTime(Volatile.Read(ref _heardAt));
            if (left > TimeSpan.Zero)
            {
                await Task.Delay(left < Least ? Least : left, clock, _stopping.Token);
            }
            else
            {
                await AskAsync(_stopping.Token);
            }
        }
    }

    /// <summary>Asks now.</summary>
    /// <returns>What it answered; null for nothing, which <see cref="StatusText"/> then tells.</returns>
    public async ValueTask<ServiceAnswer?> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            ServiceAnswer answer = await http.ExchangeAsync(HttpMethod.Get, $"{url}/status", content: null, context: null, cancellationToken);
            Note(answer);
            if (answer.Succeeded && !IsConnected(answer.Body))
            {
                _status = Unpaired;
            }

            return answer;
        }
        catch (DeliveryException e)
        {
            Volatile.Write(ref _heardAt, clock.GetTimestamp());
            _status = $"{e.Message} Start the bridge at {url}, or set bridgeUrl.";
            return null;
        }
    }

    /// <summary>Bridges differ in how they say it; one that only answers is connected.</summary>
    private static bool IsConnected(byte[] body)
    {
        try
        {
            JsonElement root = JsonElement.Parse(body);
            return JsonText.Child(root, "connected") is { } connected ? connected.ValueKind == JsonValueKind.True
                : JsonText.Child(root, "ready") is { } ready ? ready.ValueKind == JsonValueKind.True
                : JsonText.Text(JsonText.Child(root, "status") ?? JsonText.Child(root, "state")) is not { } word || Connected.Contains(word, StringComparer.OrdinalIgnoreCase);
        }
        catch (JsonException)
        {
            return true;
        }
    }
}
