namespace Postroom;

/// <summary>Who takes messages that communicators receive.</summary>
public enum IncomingMode
{
    /// <summary>Handlers or receivers of their queue.</summary>
    Handle,

    /// <summary>The subscribers of the live stream; the message is Acked when the synchronous ones have returned.</summary>
    Publish,
}
