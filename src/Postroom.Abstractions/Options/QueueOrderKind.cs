namespace Postroom;

/// <summary>Which part of a message is its order key.</summary>
public enum QueueOrderKind
{
    /// <summary>The conversation; messages without one are free.</summary>
    Conversation,

    /// <summary>Nothing: messages are independent.</summary>
    None,

    /// <summary>The value of a header.</summary>
    Header,
}
