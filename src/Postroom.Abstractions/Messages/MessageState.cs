namespace Postroom;

/// <summary>Where a message stands. Closed; stored as the numbers given here.</summary>
public enum MessageState
{
    /// <summary>Stored and waiting. A lease moves it to <see cref="Dispatched"/>; expiry, an operator or a missing route to <see cref="Failed"/>.</summary>
    Pending = 0,

    /// <summary>With a worker. Its settlement moves it on; a retry, a release, a lost lease or recovery moves it back to <see cref="Pending"/>.</summary>
    Dispatched = 1,

    /// <summary>Handled; its staged messages are stored with it. Nothing moves it on; a replay makes a new message.</summary>
    Acked = 2,

    /// <summary>Given up, with a <see cref="FailureKind"/>. An operator's replay moves it back to <see cref="Pending"/>.</summary>
    Failed = 3,
}

/// <summary>Why a message is <see cref="MessageState.Failed"/>. Closed.</summary>
public enum FailureKind
{
    /// <summary>The handler threw an exception it declared permanent.</summary>
    Exception,

    /// <summary>The handler's time ran out on a queue that does not retry time-outs.</summary>
    Timeout,

    /// <summary>All attempts are used up; the last error is kept.</summary>
    Exhausted,

    /// <summary>Its time to live ended before it was handled.</summary>
    Expired,

    /// <summary>No communicator, recipient or handler takes it.</summary>
    Unroutable,

    /// <summary>The body cannot be decoded, or the message came through too many hops.</summary>
    Invalid,

    /// <summary>The handler said fail.</summary>
    Rejected,

    /// <summary>The outside service said no.</summary>
    Refused,

    /// <summary>A send left and nobody can tell whether it arrived; a person decides.</summary>
    Uncertain,

    /// <summary>An operator gave it up.</summary>
    Discarded,

    /// <summary>It ended the process too often.</summary>
    Poison,
}

/// <summary>Which way a message moves.</summary>
public enum MessageDirection
{
    /// <summary>Came from outside.</summary>
    Inbound,

    /// <summary>From one handler to another.</summary>
    Internal,

    /// <summary>On its way to a communicator.</summary>
    Outbound,

    /// <summary>A remote call to a communicator.</summary>
    Call,

    /// <summary>A reaction or another sign that is not a message.</summary>
    Signal,
}
