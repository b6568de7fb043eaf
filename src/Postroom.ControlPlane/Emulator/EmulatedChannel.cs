using System.Globalization;

namespace Postroom.ControlPlane;

/// <summary>What one web chat stands for: its settings, and the rules of the channel in whose place it is.</summary>
/// <param name="Config">The settings.</param>
/// <param name="Rules">The rules of <see cref="EmulatorCommunicatorConfig.Channel"/>; null where it stands for itself.</param>
internal sealed record EmulatedChannel(EmulatorCommunicatorConfig Config, IChannelRules? Rules)
{
    private static readonly CommunicatorCapabilities Own = new() { Attachments = true, Typing = true, Reactions = true, Receiving = true, Idempotent = true };

    /// <summary>What it can do.</summary>
    public CommunicatorCapabilities Capabilities { get; } = Rules is null ? Own : Rules.Capabilities with { SplitsText = true, Receiving = true, Idempotent = true, CanBeAsked = false };

    /// <summary>The requests of a message, each as the page shows it.</summary>
    /// <exception cref="DeliveryException">A limit of the channel is broken.</exception>
    public IReadOnlyList<OutgoingMessage> PartsOf(OutgoingMessage message, out IReadOnlyList<string> degraded)
    {
        degraded = [];
        if (Rules is null)
        {
            return [message];
        }

        IReadOnlyList<OutgoingMessage> parts = Rules.PartsOf(message, out degraded);
        return [.. parts.Select(Readable)];
    }

    /// <summary>What the page was shown of a stored message: as the lane fitted it, in the same parts. Empty for one that the channel refuses.</summary>
    public IReadOnlyList<OutgoingMessage> ShownOf(OutgoingMessage message)
    {
        try
        {
            return PartsOf(MessageFitter.Fit(message, Capabilities, out _), out _);
        }
        catch (DeliveryException)
        {
            return [];
        }
    }

    /// <summary>The channel has taken the choices; the page has no buttons and shows them as lines.</summary>
    private static OutgoingMessage Readable(OutgoingMessage part)
    {
        return part.Interactive is null ? part : MessageFitter.Fit(part, Own, out _);
    }

    /// <summary>The id of an answer's part on the page: the position of the answer, and the number of the part where there are several.</summary>
    public static string IdOf(long seq, int part, int parts) => parts > 1 ? string.Create(CultureInfo.InvariantCulture, $"{seq}.{part}") : seq.ToString(CultureInfo.InvariantCulture);

    /// <summary>Reads such an id; part 0 for a whole answer.</summary>
    public static bool TryReadId(string id, out long seq, out int part)
    {
        string[] pieces = id.Split('.');
        part = 0;
        return long.TryParse(pieces[0], NumberStyles.None, CultureInfo.InvariantCulture, out seq)
            && (pieces.Length == 1 || (pieces.Length == 2 && int.TryParse(pieces[1], NumberStyles.None, CultureInfo.InvariantCulture, out part)));
    }
}
