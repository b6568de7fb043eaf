namespace Postroom;

/// <summary>What arrives over HTTP. Bound from <c>intake</c>.</summary>
public sealed record IntakeOptions
{
    /// <summary>The endpoint <c>POST /webhook</c>.</summary>
    public WebhookIntakeOptions Webhook { get; set; } = new();
}
