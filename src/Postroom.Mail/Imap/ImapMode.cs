namespace Postroom.Mail;

/// <summary>How a mailbox is watched (SPEC SR-9, SR-15).</summary>
public enum ImapMode
{
    /// <summary>Looked at every <c>pollInterval</c>.</summary>
    Polling,

    /// <summary>The server tells of news at once (RFC 2177); where it cannot, as <see cref="Polling"/>, with a notice.</summary>
    Idle,

    /// <summary><see cref="Idle"/> where the server offers it, else <see cref="Polling"/>.</summary>
    Auto,
}
