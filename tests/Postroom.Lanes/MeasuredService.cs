using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Postroom.Testing;

namespace Postroom.Lanes;

/// <summary>One call as a service saw it.</summary>
/// <param name="At">When it came, on the monotonic clock.</param>
/// <param name="Recipient">Who gets it.</param>
/// <param name="Text">What was sent.</param>
/// <param name="Status">The answer.</param>
/// <param name="InFlight">How many calls were in progress, this one included.</param>
/// <param name="Taken">How many the service had taken before since it was last up.</param>
public sealed record ServiceArrival(long At, string Recipient, string Text, int Status, int InFlight, int Taken);

/// <summary>The address of a webhook communicator: it can be down, be unavailable, be slow and keep to a limit, and it notes every call. Safe for concurrent use.</summary>
public sealed class MeasuredService : IAsyncDisposable
{
    private readonly FakeHttpServer _server;
    private readonly Lock _gate = new();
    private readonly List<ServiceArrival> _arrivals = [];
    private readonly Queue<long> _window = new();
    private int _inFlight;
    private int _taken;
    private int _status = 200;

    /// <summary>Starts it on a free port.</summary>
    public MeasuredService() => _server = new FakeHttpServer(AnswerAsync);

    /// <summary>Where it answers.</summary>
    public Uri Address => new(_server.Address);

    /// <summary>Whether it takes connections; set to false it refuses them.</summary>
    public bool IsUp
    {
        get => _server.IsUp;
        set => _server.IsUp = value;
    }

    /// <summary>What it answers; 200 unless set.</summary>
    public int Status
    {
        get
        {
            lock (_gate)
            {
                return _status;
            }
        }

        set
        {
            lock (_gate)
            {
                (_status, _taken) = (value, 0);
            }
        }
    }

    /// <summary>How long an answer takes; no time unless set.</summary>
    public TimeSpan Latency { get; set; }

    /// <summary>How many calls it takes in a window, beyond which it answers 429 with the wait; null, the default, for any.</summary>
    public Rate? Limit { get; set; }

    /// <summary>The calls so far, in the order they came.</summary>
    public IReadOnlyList<ServiceArrival> Arrivals
    {
        get
        {
            lock (_gate)
            {
                return [.. _arrivals];
            }
        }
    }

    /// <summary>How many calls it took in all.</summary>
    public int Accepted { get; private set; }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async ValueTask<FakeAnswer> AnswerAsync(FakeRequest request, CancellationToken cancellationToken)
    {
        using JsonDocument body = JsonDocument.Parse(request.Body);
        string to = body.RootElement.GetProperty("to").GetString() ?? "";
        string text = body.RootElement.GetProperty("message").GetString() ?? "";
        long now = Stopwatch.GetTimestamp();
        int status;
        TimeSpan wait;
        lock (_gate)
        {
            _inFlight++;
            wait = _status == 200 ? WaitOf(now) : TimeSpan.Zero;
            status = wait > TimeSpan.Zero ? 429 : _status;
            _arrivals.Add(new ServiceArrival(now, to, text, status, _inFlight, _taken));
        }

        if (Latency > TimeSpan.Zero)
        {
            await Task.Delay(Latency, cancellationToken);
        }

        lock (_gate)
        {
            _inFlight--;
            if (status == 200)
            {
                _taken++;
                Accepted++;
            }
        }

        return new FakeAnswer.Reply(status, "{}")
        {
            Headers = wait > TimeSpan.Zero ? new Dictionary<string, string> { ["Retry-After"] = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture) } : new Dictionary<string, string>(),
        };
    }

    private TimeSpan WaitOf(long now)
    {
        if (Limit is not { } limit)
        {
            return TimeSpan.Zero;
        }

        while (_window.TryPeek(out long first) && Stopwatch.GetElapsedTime(first, now) >= limit.Period)
        {
            _window.Dequeue();
        }

        if (_window.Count >= limit.Count)
        {
            return limit.Period - Stopwatch.GetElapsedTime(_window.Peek(), now);
        }

        _window.Enqueue(now);
        return TimeSpan.Zero;
    }
}
