namespace Postroom;

/// <summary>Optional for a communicator whose service calls it over HTTP: verifies one request, takes what it says, and answers.</summary>
/// <remarks>
/// The control plane reads the body, bounded, and asks every started communicator that has the path. A request that is answered with 401, 403, 405 or 413 counts against its
/// address (<c>intake.webhook.perAddress</c>). Safe for concurrent requests.
/// </remarks>
public interface IWebhookReceiver
{
    /// <summary>The path it answers at, such as <c>/telegram/shop</c>; null for none, as long as its settings name no secret.</summary>
    string? WebhookPath { get; }

    /// <summary>The longest body, in bytes; a longer one is answered with 413 before the receiver is asked.</summary>
    long MaxWebhookBody { get; }

    /// <summary>
    /// Whether a request may be proved once its body is known: whatever proof its service sends stands in the method, the query and the headers. Asked before the body is
    /// read; a request that cannot be proved to any receiver of its path is answered with 401, and its body is not read. True unless implemented.
    /// </summary>
    /// <param name="request">The request without its body.</param>
    bool MayBeProved(WebhookCall request) => true;

    /// <summary>
    /// Whether headers or query alone prove a request, as a secret token does, in constant time. Such a request is charged to no address, so that strangers behind the same one do
    /// not lock the service out. False unless implemented: a proof over the body is asked by <see cref="ReceiveAsync"/>.
    /// </summary>
    /// <param name="request">The request without its body.</param>
    bool IsProved(WebhookCall request) => false;

    /// <summary>Verifies a request in constant time, takes what it says, and answers once that is stored.</summary>
    /// <param name="request">The request; nothing of it is trusted.</param>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    /// <exception cref="StoreUnavailableException">It cannot be stored now; answered with 503, so that the service comes again.</exception>
    ValueTask<WebhookReply> ReceiveAsync(WebhookCall request, CancellationToken cancellationToken);
}

/// <summary>One request of a service.</summary>
public sealed record WebhookCall
{
    /// <summary>In capitals.</summary>
    public required string Method { get; init; }

    /// <summary>The decoded query, the first value of each name; empty for none.</summary>
    public IReadOnlyDictionary<string, string> Query { get; init; } = new Dictionary<string, string>();

    /// <summary>The headers, by name without case; repeated ones joined with commas.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>The raw body, which signatures are made over.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }
}

/// <summary>The answer to a request of a service.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">The body.</param>
/// <param name="ContentType">Its media type.</param>
public sealed record WebhookReply(int Status, string Body, string ContentType = "application/json");
