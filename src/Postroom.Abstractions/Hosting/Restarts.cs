namespace Postroom;

/// <summary>Where a restart of the runtime stands (SPEC RS-1).</summary>
public enum RestartState
{
    /// <summary>None was asked for.</summary>
    Idle,

    /// <summary>Asked for; whether it can succeed is being looked at, and nothing has changed.</summary>
    Requested,

    /// <summary>Nothing new begins, and what is in work is finished. It can still be cancelled.</summary>
    Draining,

    /// <summary>Nothing is in work, or the time for that is over.</summary>
    Quiesced,

    /// <summary>The parts stop in order.</summary>
    Stopping,

    /// <summary>The new program takes over.</summary>
    Replacing,

    /// <summary>The new program is ready; it says so, since it has taken over.</summary>
    Completed,

    /// <summary>Given up; the runtime goes on as before.</summary>
    Aborted,

    /// <summary>The process could not be replaced and ends.</summary>
    Failed,
}

/// <summary>What is asked of a restart (SPEC RS-15). Neither the program nor its arguments can be asked for: they are those of the start.</summary>
public sealed record RestartRequest
{
    /// <summary>Why, for the record; null for no reason given.</summary>
    public string? Reason { get; init; }

    /// <summary>How long draining may take, 0 to 600 seconds; null for <see cref="RestartOptions.DrainTimeout"/>.</summary>
    public TimeSpan? DrainTimeout { get; init; }

    /// <summary>How far to drain; null for <see cref="RestartOptions.Drain"/>.</summary>
    public RestartDrain? Drain { get; init; }

    /// <summary>Goes on when the time is over, also where what is left is lost, as with the memory store.</summary>
    public bool Force { get; init; }

    /// <summary>Only looks whether it could succeed.</summary>
    public bool DryRun { get; init; }
}

/// <summary>A restart at one moment.</summary>
public sealed record RestartStatus
{
    /// <summary>Nothing was asked for since the start.</summary>
    public static RestartStatus None { get; } = new() { Id = "", State = RestartState.Idle };

    /// <summary>Its id; empty for none.</summary>
    public required string Id { get; init; }

    /// <summary>Where it stands.</summary>
    public required RestartState State { get; init; }

    /// <summary>Why it was asked for; null for no reason given.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was asked for; null for none.</summary>
    public DateTimeOffset? RequestedAt { get; init; }

    /// <summary>When draining ends at the latest; null before it begins.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>How many messages are in work.</summary>
    public int InFlight { get; init; }

    /// <summary>Why it was given up; null while it was not.</summary>
    public string? Why { get; init; }
}

/// <summary>Why a restart is refused.</summary>
public enum RestartRefusal
{
    /// <summary>One is under way.</summary>
    Running,

    /// <summary>It could not succeed; every problem is listed.</summary>
    Preflight,

    /// <summary>There were too many lately (<see cref="RestartOptions.MaxPerWindow"/>).</summary>
    TooMany,

    /// <summary>This process cannot be replaced.</summary>
    Unavailable,
}

/// <summary>A restart was refused, and nothing has changed.</summary>
/// <param name="refusal">The kind of refusal.</param>
/// <param name="message">What stands in the way, and what to do.</param>
public sealed class RestartRefusedException(RestartRefusal refusal, string message) : Exception(message)
{
    /// <summary>The kind of refusal.</summary>
    public RestartRefusal Refusal { get; } = refusal;

    /// <summary>Each thing that stands in the way, with what to do; empty when there is but the message.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>After how long asking again makes sense; null to say nothing.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>A part of the runtime that goes on in the program that takes this one's place, such as a listening socket (SPEC RS-9).</summary>
public interface IHandsOver : IRuntimeComponent
{
    /// <summary>Takes nothing more from outside and finishes what it began, so that the store can close; what goes on is kept for the next program. Its stop follows.</summary>
    /// <param name="limit">How long what has begun may take.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task HandOverAsync(TimeSpan limit, CancellationToken cancellationToken);
}
