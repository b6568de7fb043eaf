using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Postroom.Crash;

/// <summary>One request as its sender saw it.</summary>
/// <param name="Begun">When it was sent first, in stopwatch ticks.</param>
/// <param name="Took">Until it was answered with success, repetitions included.</param>
public readonly record struct SentRequest(long Begun, TimeSpan Took);

/// <summary>Posts chat messages at a rate, whether the former ones are answered or not, most on a connection of their own and some on kept ones. Each has a key and is repeated with it until it is answered.</summary>
internal sealed class RestartLoad : IDisposable
{
    private const int KeptEvery = 5; // every fifth goes over a connection that is kept
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Uri _webhook;
    private readonly int _rate;
    private readonly HttpClient _single = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero }) { Timeout = Patience };
    private readonly HttpClient _kept = new(new SocketsHttpHandler { MaxConnectionsPerServer = 16 }) { Timeout = Patience };
    private readonly ConcurrentQueue<SentRequest> _answered = new();
    private readonly ConcurrentDictionary<string, string> _stored = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _problems = new();
    private readonly CancellationTokenSource _stop = new();
    private int _refused;
    private int _unstored;
    private int _broken;
    private int _duplicates;
    private int _sent;

    public RestartLoad(Uri address, int rate)
    {
        _webhook = new Uri(address, "webhook");
        _rate = rate;
    }

    /// <summary>Refused connections.</summary>
    public int Refused => _refused;

    /// <summary>Answers other than success.</summary>
    public int Unstored => _unstored;

    /// <summary>Connections that ended without an answer; on kept ones a client has to reckon with that.</summary>
    public int Broken => _broken;

    /// <summary>Repetitions that turned out to have been stored before.</summary>
    public int Duplicates => _duplicates;

    /// <summary>The message of each key.</summary>
    public IReadOnlyDictionary<string, string> Stored => _stored;

    /// <summary>What was answered.</summary>
    public IEnumerable<SentRequest> Answered => _answered;

    /// <summary>The first things that went wrong.</summary>
    public IEnumerable<string> Problems => _problems.Take(20);

    /// <summary>Sends until it is stopped; returns when everything is answered.</summary>
    public async Task RunAsync()
    {
        List<Task> open = [];
        long begun = Stopwatch.GetTimestamp();
        for (int i = 0; !_stop.IsCancellationRequested; i++)
        {
            TimeSpan wait = TimeSpan.FromSeconds((double)i / _rate) - Stopwatch.GetElapsedTime(begun);
            if (wait > TimeSpan.FromMilliseconds(1))
            {
                await Task.Delay(wait, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            int number = i;
            open.Add(Task.Run(() => SendAsync(number)));
            if (open.Count > 1_000)
            {
                open.RemoveAll(static task => task.IsCompletedSuccessfully);
            }
        }

        await Task.WhenAll(open);
    }

    /// <summary>Ends the sending.</summary>
    public void Stop() => _stop.Cancel();

    public void Dispose()
    {
        _single.Dispose();
        _kept.Dispose();
        _stop.Dispose();
    }

    private async Task SendAsync(int number)
    {
        string key = $"k{Interlocked.Increment(ref _sent)}";
        string text = JsonSerializer.Serialize(new { sender = $"contact-{number % 64}", msg_type = "chat", raw_msg = key, client_type = "emulator" });
        HttpClient client = number % KeptEvery == 0 ? _kept : _single;
        long begun = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begun) < Patience)
        {
            if (await TryAsync(client, key, text))
            {
                _answered.Enqueue(new SentRequest(begun, Stopwatch.GetElapsedTime(begun)));
                return;
            }

            await Task.Delay(20);
        }

        _problems.Enqueue($"{key} was not stored within {Patience}.");
    }

    private async Task<bool> TryAsync(HttpClient client, string key, string text)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, _webhook) { Content = new StringContent(text, Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", key);
        try
        {
            using HttpResponseMessage answer = await client.SendAsync(request);
            string body = await answer.Content.ReadAsStringAsync();
            if (answer.StatusCode != HttpStatusCode.OK)
            {
                Interlocked.Increment(ref _unstored);
                _problems.Enqueue($"{(int)answer.StatusCode} {body}");
                return false;
            }

            using JsonDocument json = JsonDocument.Parse(body);
            JsonElement data = json.RootElement.GetProperty("data");
            _stored[key] = data.GetProperty("entry_id").GetString()!;
            if (data.GetProperty("duplicate").GetBoolean())
            {
                Interlocked.Increment(ref _duplicates);
            }

            return true;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException)
        {
            bool refused = e is HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } };
            Interlocked.Increment(ref refused ? ref _refused : ref _broken);
            _problems.Enqueue($"{(ReferenceEquals(client, _kept) ? "kept" : "single")} {key}: {e.Message} {e.InnerException?.Message}");
            return false;
        }
    }
}
