namespace Postroom;

/// <summary>The names of outbound queues.</summary>
internal static class OutboundQueue
{
    /// <summary>Where messages wait that no communicator takes, until the router has looked at them.</summary>
    public const string Unrouted = "unrouted";

    private const string Prefix = "out.";

    /// <summary>The queue of a communicator.</summary>
    public static string Of(string communicator) => Prefix + communicator;

    /// <summary>Whether a queue is a communicator's.</summary>
    public static bool Is(string queue) => queue.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Whose queue it is; null when it is no outbound queue.</summary>
    public static string? CommunicatorOf(string queue) => Is(queue) ? queue[Prefix.Length..] : null;
}
