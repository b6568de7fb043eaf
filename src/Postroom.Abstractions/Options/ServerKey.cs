namespace Postroom;

/// <summary>One configured key of the control plane. An entry of <c>server.keys</c>.</summary>
public sealed record ServerKey
{
    /// <summary>The name the audit shows. Required, unique.</summary>
    public string Name { get; set; } = "";

    /// <summary>What it allows. Reading unless set.</summary>
    public ServerRole Role { get; set; }

    /// <summary>The key itself. Required; at least 16 characters.</summary>
    public Secret Key { get; set; } = new("");
}
