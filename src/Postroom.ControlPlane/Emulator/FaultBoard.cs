namespace Postroom.ControlPlane;

/// <summary>What an input meets on purpose.</summary>
internal enum InputFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It is delivered twice.</summary>
    Duplicate,

    /// <summary>It is held back.</summary>
    Reorder,
}

/// <summary>What a send meets on purpose.</summary>
/// <param name="Failure">How it ends; null for success.</param>
/// <param name="Text">What is told of it.</param>
/// <param name="Arrives">Whether the message is shown all the same.</param>
internal sealed record SendFault(DeliveryFailure Failure, string Text, bool Arrives = false);

/// <summary>
/// The faults of each conversation: those of the settings until somebody changes them, and what is left of their counts. In memory; the latest 1,000
/// conversations, of others those of the settings begin anew. Safe for concurrent use.
/// </summary>
/// <param name="clock">Dates waits.</param>
internal sealed class FaultBoard(TimeProvider clock)
{
    private const int Capacity = 1_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, EmulatorFaults> _left = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <summary>What is left in a conversation.</summary>
    public EmulatorFaults Of(string conversation, EmulatorFaults settings)
    {
        lock (_gate)
        {
            return _left.GetValueOrDefault(conversation, settings);
        }
    }

    /// <summary>Sets the faults of a conversation.</summary>
    public void Set(string conversation, EmulatorFaults faults)
    {
        lock (_gate)
        {
            Keep(conversation, faults);
        }
    }

    /// <summary>Uses up what the next input meets.</summary>
    public InputFault TakeInput(string conversation, EmulatorFaults settings)
    {
        lock (_gate)
        {
            EmulatorFaults left = _left.GetValueOrDefault(conversation, settings);
            if (left.Reorder > 0)
            {
                Keep(conversation, left with { Reorder = left.Reorder - 1 });
                return InputFault.Reorder;
            }

            if (left.Duplicate > 0)
            {
                Keep(conversation, left with { Duplicate = left.Duplicate - 1 });
                return InputFault.Duplicate;
            }

            return InputFault.None;
        }
    }

    /// <summary>Uses up what the next send meets; null for nothing.</summary>
    public SendFault? TakeSend(string conversation, EmulatorFaults settings)
    {
        lock (_gate)
        {
            EmulatorFaults left = _left.GetValueOrDefault(conversation, settings);
            (EmulatorFaults rest, SendFault? fault) = left switch
            {
                { RateLimited: > 0 } => (left with { RateLimited = left.RateLimited - 1 },
                    new SendFault(new DeliveryFailure.RateLimited(clock.GetUtcNow() + left.Wait), $"429 on purpose: too many requests, retry after {Duration.Format(left.Wait)}.")),
                { ServerError: > 0 } => (left with { ServerError = left.ServerError - 1 },
                    new SendFault(new DeliveryFailure.Transient(ServiceWide: left.Status != 500), $"{left.Status} on purpose: the service {(left.Status == 500 ? "failed" : "cannot be reached")}.")),
                { LostAnswer: > 0 } => (left with { LostAnswer = left.LostAnswer - 1 },
                    new SendFault(new DeliveryFailure.Uncertain(), "No answer on purpose: the message arrived, and its confirmation was lost.", Arrives: true)),
                { Refused: > 0 } => (left with { Refused = left.Refused - 1 },
                    new SendFault(new DeliveryFailure.Refused("400"), "refused on purpose.")),
                _ => (left, (SendFault?)null),
            };
            if (fault is not null)
            {
                Keep(conversation, rest);
            }

            return fault;
        }
    }

    private void Keep(string conversation, EmulatorFaults faults)
    {
        if (!_left.ContainsKey(conversation))
        {
            _order.Enqueue(conversation);
        }

        _left[conversation] = faults;
        while (_left.Count > Capacity && _order.TryDequeue(out string? oldest))
        {
            _left.Remove(oldest);
        }
    }
}
