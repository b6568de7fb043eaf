namespace Postroom;

/// <summary>What a gateway node does besides sending. Bound from <c>gateway</c>.</summary>
public sealed record GatewayOptions
{
    /// <summary>Delegated tools.</summary>
    public GatewayToolsOptions Tools { get; set; } = new();
}
