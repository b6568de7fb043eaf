namespace Postroom;

/// <summary>The endpoint <c>POST /webhook</c>. Bound from <c>intake.webhook</c>.</summary>
public sealed record WebhookIntakeOptions
{
    /// <summary>The queue its messages go to. <c>in</c> unless set.</summary>
    public string Into { get; set; } = "in";

    /// <summary>The bearer token callers must show. Null, the default, asks for none; with neither token nor secret only loopback is answered. During a rotation several, separated by blanks.</summary>
    public Secret? Token { get; set; }

    /// <summary>The secret of the signature callers must give. Null, the default, asks for none. During a rotation several, separated by blanks.</summary>
    public Secret? Secret { get; set; }

    /// <summary>How many bytes a body may have. 1 byte to 1 GiB; 25 MiB unless set.</summary>
    public long MaxBody { get; set; } = 25L << 20;

    /// <summary>How much one sender may post. 100 a minute unless set.</summary>
    public Rate PerSender { get; set; } = new(100, TimeSpan.FromMinutes(1));

    /// <summary>How many requests one address may make without a valid token or signature, those that are refused for it included. 600 a minute unless set.</summary>
    public Rate PerAddress { get; set; } = new(600, TimeSpan.FromMinutes(1));
}
