namespace Postroom;

/// <summary>How far a restart drains.</summary>
public enum RestartDrain
{
    /// <summary>Nothing is in flight; a durable backlog stays.</summary>
    Graceful,

    /// <summary>Every queue is empty.</summary>
    Full,
}
