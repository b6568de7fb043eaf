using System.Globalization;
using Postroom.Testing;

namespace Postroom.Lanes;

/// <summary>One call that a service got.</summary>
/// <param name="Lane">The communicator that called.</param>
/// <param name="Key">The idempotency key: the message's id.</param>
/// <param name="Recipient">Who gets it.</param>
/// <param name="Text">What was sent.</param>
/// <param name="Redelivered">Whether the call says that it may be a repeat.</param>
public sealed record ServiceCall(string Lane, string Key, string Recipient, string Text, bool Redelivered)
{
    /// <summary>Whether the service took it.</summary>
    public bool Accepted { get; internal set; }
}

/// <summary>Where a call stops when the caller is to be killed.</summary>
public enum CallStage
{
    /// <summary>Read, and not taken.</summary>
    Received,

    /// <summary>Taken, and not answered.</summary>
    Accepted,
}

/// <summary>A service that keeps every call it got. It lives in the harness, so it outlives whoever calls. Safe for concurrent use.</summary>
public sealed class CountingService : IAsyncDisposable
{
    private readonly FakeHttpServer _server;
    private readonly Lock _gate = new();
    private readonly List<ServiceCall> _calls = [];
    private readonly HashSet<string> _accepted = new(StringComparer.Ordinal);
    private readonly Random _chance;
    private (CallStage Stage, int Left, TaskCompletionSource Reached)? _hold;

    /// <summary>Starts it on a free port.</summary>
    /// <param name="seed">Decides how long an answer takes.</param>
    public CountingService(int seed = 0)
    {
        _chance = new Random(seed);
        _server = new FakeHttpServer(AnswerAsync);
    }

    /// <summary>Where it answers.</summary>
    public string Address => _server.Address;

    /// <summary>The longest time that an answer takes; none unless set.</summary>
    public TimeSpan Slowest { get; set; }

    /// <summary>The calls so far, in the order they came.</summary>
    public IReadOnlyList<ServiceCall> Calls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls];
            }
        }
    }

    /// <summary>Leaves the next calls without an answer at a stage.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="calls">How many calls.</param>
    /// <returns>Completes when all of them are there.</returns>
    public Task HoldNext(CallStage stage, int calls)
    {
        TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _hold = (stage, calls, reached);
        }

        return reached.Task;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async ValueTask<FakeAnswer> AnswerAsync(FakeRequest request, CancellationToken cancellationToken)
    {
        string[] path = request.Path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (request.Method == "GET")
        {
            lock (_gate)
            {
                return _accepted.Contains(path[^1]) ? new FakeAnswer.Reply(200, path[^1], "text/plain") : new FakeAnswer.Reply(404, "", "text/plain");
            }
        }

        ServiceCall call = new(path[0], request.Header("Idempotency-Key"), request.Header("X-Recipient"), request.Text, request.Header("X-Redelivered") == "true");
        TimeSpan delay;
        lock (_gate)
        {
            _calls.Add(call);
            delay = Slowest * _chance.NextDouble();
            if (Holds(CallStage.Received))
            {
                return new FakeAnswer.Silence();
            }
        }

        await Task.Delay(delay / 2, cancellationToken);
        string number;
        lock (_gate)
        {
            call.Accepted = true;
            _accepted.Add(call.Key);
            number = _accepted.Count.ToString(CultureInfo.InvariantCulture);
            if (Holds(CallStage.Accepted))
            {
                return new FakeAnswer.Silence();
            }
        }

        await Task.Delay(delay / 2, cancellationToken);
        return new FakeAnswer.Reply(200, number, "text/plain");
    }

    private bool Holds(CallStage stage)
    {
        if (_hold is not { } hold || hold.Stage != stage)
        {
            return false;
        }

        _hold = hold.Left > 1 ? hold with { Left = hold.Left - 1 } : null;
        if (hold.Left == 1)
        {
            hold.Reached.TrySetResult();
        }

        return true;
    }
}
