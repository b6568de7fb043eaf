namespace Postroom;

/// <summary>The parts of a message a limit can count by.</summary>
public enum LimitKeyKind
{
    /// <summary>The order key of the queue.</summary>
    OrderKey,

    /// <summary>The sender's address.</summary>
    From,

    /// <summary>The recipient's address.</summary>
    To,

    /// <summary>The value of a header.</summary>
    Header,
}
