namespace Postroom.Chat;

/// <summary>The limits, splitting and formats of the WhatsApp Cloud API, for the web chat that stands for it (WA-6).</summary>
internal sealed class WhatsAppRules : IChannelRules
{
    /// <inheritdoc/>
    public string Kind => WhatsAppCommunicatorConfig.Kind;

    /// <inheritdoc/>
    public CommunicatorCapabilities Capabilities => WhatsAppCloudClient.Capabilities;

    /// <summary>None: Meta says when it is enough.</summary>
    public IReadOnlyList<SendLimit> LimitsOf(string chat) => [];

    /// <inheritdoc/>
    public IReadOnlyList<OutgoingMessage> PartsOf(OutgoingMessage message, out IReadOnlyList<string> degraded)
    {
        degraded = [];
        return [.. CloudLimits.PartsOf(message).Select(part => Shown(message with { Message = "", Attachments = [], Interactive = null }, part))];
    }

    private static OutgoingMessage Shown(OutgoingMessage bare, CloudPart part) => part switch
    {
        CloudPart.Text text => bare with { Message = text.Body },
        CloudPart.Choice choice => bare with { Message = choice.Body, Interactive = choice.Offered },
        CloudPart.Template template => bare with { Message = $"[template {template.Name}, {template.Language}]" },
        CloudPart.Media media => bare with { Message = media.Caption ?? "", Attachments = [media.File] },
        _ => bare,
    };
}
