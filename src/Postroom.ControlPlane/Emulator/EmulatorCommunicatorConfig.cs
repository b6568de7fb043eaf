using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>The settings of a web chat. Bound from <c>communications.backends.{name}</c> of type <c>emulator</c>. Immutable.</summary>
internal sealed record EmulatorCommunicatorConfig : CommunicatorBackendConfig
{
    [SetsRequiredMembers]
    private EmulatorCommunicatorConfig(CommunicatorBackendConfig common)
        : base(common)
    {
    }

    /// <summary>Who gets messages to a label; null, the default, for streams of all contacts only.</summary>
    public string? Contact { get; init; }

    /// <summary>The kind of channel it stands for, <c>telegram</c> or <c>whatsapp</c>; null, the default, for itself.</summary>
    public string? Channel { get; init; }

    /// <summary>What goes wrong on purpose in each conversation from its first message after a start; nothing unless set.</summary>
    public EmulatorFaults Faults { get; init; } = new();

    /// <summary>
    /// Whether people may change the faults of a conversation on the page. Null, the default, allows it where nothing has to be proved, which is on this machine only:
    /// a fault of the service holds every conversation.
    /// </summary>
    public bool? FaultsFromPage { get; init; }

    /// <inheritdoc/>
    internal override string LaneKind => Channel ?? Type;

    /// <summary>Reads the settings; every problem is reported through the reader. A <see cref="BackendSchema"/>.</summary>
    /// <param name="common">The settings all communicators have.</param>
    /// <param name="reader">The settings of the communicator.</param>
    public static EmulatorCommunicatorConfig Read(CommunicatorBackendConfig common, SectionReader reader)
    {
        SectionReader faults = reader.ReadSection("faults");
        bool? fromPage = faults.Has("fromPage") ? faults.ReadFlag("fromPage", false) : null;
        EmulatorFaults plan = EmulatorFaults.Read(faults);
        if (plan.Delay > TimeSpan.Zero && plan.Delay >= common.Outbound.SendTimeout)
        {
            faults.AddError("delay", $"{faults.Path}.delay is {Duration.Format(plan.Delay)}, and a send may take {Duration.Format(common.Outbound.SendTimeout)} (outbound.sendTimeout), so each would end without an answer. Lower the delay, or use lostAnswer.");
        }

        return new EmulatorCommunicatorConfig(common)
        {
            Contact = reader.ReadText("contact"),
            Channel = reader.ReadWord("channel", (string?)null, [("telegram", (string?)"telegram"), ("whatsapp", "whatsapp")]),
            Faults = plan,
            FaultsFromPage = fromPage,
        };
    }

    /// <summary>Settings of a program that registers a web chat without a file.</summary>
    /// <param name="common">The settings all communicators have.</param>
    public static EmulatorCommunicatorConfig Of(CommunicatorBackendConfig common) =>
        common as EmulatorCommunicatorConfig ?? new EmulatorCommunicatorConfig(common) { Contact = common.Extra.GetText("contact") };
}
