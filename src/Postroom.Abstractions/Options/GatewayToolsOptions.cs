namespace Postroom;

/// <summary>Delegated tools of a gateway. Bound from <c>gateway.tools</c>.</summary>
public sealed record GatewayToolsOptions
{
    /// <summary>Whether <c>execute_tool</c> is answered. False unless set.</summary>
    public bool Enabled { get; set; }
}
