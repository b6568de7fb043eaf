namespace Postroom;

/// <summary>What a channel makes of a message, without its service: limits, splitting and formats. The web chat obeys it when it stands for that channel (EU-8).</summary>
/// <remarks>The channel's own communicator works by the same code. Safe for concurrent use.</remarks>
internal interface IChannelRules
{
    /// <summary>The kind of communicator, such as <c>telegram</c>.</summary>
    string Kind { get; }

    /// <summary>What the channel can do.</summary>
    CommunicatorCapabilities Capabilities { get; }

    /// <summary>The requests that a message becomes, each as its recipient sees it: a text, a file, or a text with choices. The same message gives the same parts.</summary>
    /// <param name="message">The message, fitted to <see cref="Capabilities"/>.</param>
    /// <param name="degraded">What was changed to fit.</param>
    /// <exception cref="DeliveryException">A limit is broken, as the channel would say it.</exception>
    IReadOnlyList<OutgoingMessage> PartsOf(OutgoingMessage message, out IReadOnlyList<string> degraded);

    /// <summary>The rates of the channel for a chat of two.</summary>
    /// <param name="chat">Who gets it.</param>
    IReadOnlyList<SendLimit> LimitsOf(string chat);
}
