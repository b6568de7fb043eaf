using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Chat;

/// <summary>The settings of a communicator that posts to an address (OW-1). Bound from <c>communications.backends.{name}</c> of type <c>webhook</c>. Immutable.</summary>
public sealed record WebhookCommunicatorConfig : CommunicatorBackendConfig
{
    private const int FewestSecretCharacters = 16; // as keys of this server have

    private static readonly string[] Ours = ["content-type", "content-length", "host", "idempotency-key", "x-postroom-signature", "traceparent", "transfer-encoding", "connection"];
    private static readonly string[] Methods = ["POST", "PUT", "PATCH"];

    /// <summary>Settings with every default, except those that must be set.</summary>
    public WebhookCommunicatorConfig()
    {
    }

    [SetsRequiredMembers]
    private WebhookCommunicatorConfig(CommunicatorBackendConfig common)
        : base(common)
    {
    }

    /// <summary>Where to post: https, or http to this machine. Required.</summary>
    public Uri Url { get; init; } = new("http://127.0.0.1/");

    /// <summary><c>POST</c> unless set; also <c>PUT</c> or <c>PATCH</c>.</summary>
    public string Method { get; init; } = "POST";

    /// <summary>Headers that go along, secret where they hold one; none unless set.</summary>
    public IReadOnlyDictionary<string, Secret> Headers { get; init; } = new Dictionary<string, Secret>();

    /// <summary>Signs each body with its time, as <c>X-Postroom-Signature: t=…,v1=…</c>; null, the default, signs nothing.</summary>
    public Secret? Secret { get; init; }

    /// <summary>How long one request may take. 100 ms to 5 minutes; 15 s unless set.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Reads the settings; every problem is reported through the reader. A <see cref="BackendSchema"/>.</summary>
    /// <param name="common">The settings all communicators have.</param>
    /// <param name="reader">The settings of the communicator.</param>
    public static WebhookCommunicatorConfig Read(CommunicatorBackendConfig common, SectionReader reader)
    {
        SectionReader headers = reader.ReadSection("headers");
        string method = reader.ReadText("method", "POST")!.ToUpperInvariant();
        if (!Methods.Contains(method))
        {
            reader.AddError("method", $"{reader.Path}.method is '{Names.Shorten(method)}'; use {string.Join(", ", Methods)}.");
        }

        Secret? secret = reader.ReadSecret("secret");
        if (secret?.Reveal().Length is > 0 and < FewestSecretCharacters)
        {
            reader.AddNotice("secret", $"{reader.Path}.secret has fewer than {FewestSecretCharacters} characters and could be guessed, and posts forged with it. Use a longer one, such as 32 random characters.");
        }

        return new WebhookCommunicatorConfig(common)
        {
            Url = ReadUrl(reader),
            Method = method,
            Headers = headers.ReadNamed(null, (name, _) => ReadHeader(headers, name)),
            Secret = secret,
            Timeout = reader.ReadDuration("timeout", TimeSpan.FromSeconds(15), TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5)),
        };
    }

    private static Uri ReadUrl(SectionReader reader)
    {
        string text = reader.RequireText("url", "Write the address to post to, such as 'https://example.org/notices'.");
        bool isUrl = Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback)) && url.UserInfo.Length == 0;
        if (!isUrl && text.Length > 0)
        {
            reader.AddError("url", $"{reader.Path}.url must be https, or http to this machine, without a user name. A password goes into headers, such as 'Authorization'.");
        }

        return isUrl ? url! : new Uri("http://127.0.0.1/");
    }

    private static Secret ReadHeader(SectionReader headers, string name)
    {
        bool isToken = name.Length is > 0 and <= 100 && name.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');
        if (!isToken || Ours.Contains(name.ToLowerInvariant()))
        {
            headers.AddError(name, $"{headers.Path}.{Names.Shorten(name)} cannot be set: {(isToken ? "it is written by the communicator itself" : "a header's name has letters, digits, '-' and '_'")}.");
        }

        Secret value = headers.ReadSecret(name) ?? new Secret("");
        if (value.Reveal().AsSpan().ContainsAny("\r\n\0"))
        {
            headers.AddError(name, $"{headers.Path}.{name} holds a line end, which no header may.");
        }

        return value;
    }
}
