using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Security;

namespace Postroom.Chat;

/// <summary>Talks to one service over HTTP: bounded in time and length, without redirects, and it can tell whether a request had left. Safe for concurrent use.</summary>
internal sealed class ServiceHttp : IDisposable
{
    /// <summary>The longest answer that is read, in bytes; files have a bound of their own.</summary>
    public const int MaxAnswer = 1 << 20;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly HttpClient _http;
    private readonly string _service;
    private readonly Secret? _token;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _clock;

    /// <summary>Makes it; nothing connects yet.</summary>
    /// <param name="service">What errors call the service.</param>
    /// <param name="token">The bearer token; null for none.</param>
    /// <param name="timeout">How long one exchange may take.</param>
    /// <param name="clock">Measures it.</param>
    public ServiceHttp(string service, Secret? token, TimeSpan timeout, TimeProvider clock)
    {
        _service = service;
        _token = token;
        _timeout = timeout;
        _clock = clock;
        _http = new HttpClient(MakeHandler())
        {
            Timeout = Timeout.InfiniteTimeSpan, // each exchange has its own, measured by the clock
        };
    }

    /// <summary>Sends a request and reads its answer.</summary>
    /// <param name="method">The method.</param>
    /// <param name="url">Where to; the token goes along.</param>
    /// <param name="content">The body; null for none.</param>
    /// <param name="context">The delivery that the request carries out, which is told when bytes leave; null when a repeat of the request does no harm.</param>
    /// <param name="cancellationToken">Ends the exchange.</param>
    /// <param name="maxAnswer">The longest answer; a longer one counts as cut off.</param>
    /// <param name="headers">Adds further headers; null for none.</param>
    /// <exception cref="DeliveryException">No answer came: uncertain when the delivery had left, else transient; also when a delivery was cancelled before it left.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled otherwise.</exception>
    public async ValueTask<ServiceAnswer> ExchangeAsync(
        HttpMethod method, string url, HttpContent? content, DeliveryContext? context, CancellationToken cancellationToken, int maxAnswer = MaxAnswer, Action<HttpRequestHeaders>? headers = null)
    {
        using CancellationTokenSource timeout = new(_timeout, _clock);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        using HttpRequestMessage request = new(method, url);
        using RequestBody? body = content is null ? null : RequestBody.Of(content);
        body?.Leaving = () => context?.BytesLeft = true;
        request.Content = body;
        if (_token is not null)
        {
            // Without validation, whose error would quote the token.
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {_token.Reveal()}");
        }

        headers?.Invoke(request.Headers);
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ending.Token);
            byte[]? whole = await ReadAsync(response, maxAnswer, ending.Token);
            return new ServiceAnswer(response.StatusCode, whole ?? [], RetryAfter(response)) { IsWhole = whole is not null };
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested && context is not null && body is { HasLeft: false })
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"The time for {_service} was over before a connection came about; nothing had left.", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            string why = timeout.IsCancellationRequested ? $"did not answer in {Duration.Format(_timeout)}" : $"could not be talked to ({Reason(e)})";
            throw body is { HasLeft: true }
                ? new DeliveryException(context is null ? new DeliveryFailure.Transient() : new DeliveryFailure.Uncertain(), $"{_service} {why} after the request had left.")
                : new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"{_service} {why}; nothing had left.");
        }
    }

    /// <summary>Resolves a name, connects and shakes hands as for a request, and closes before a request is sent.</summary>
    /// <param name="url">Where to; of it only scheme, host and port are used and shown.</param>
    /// <param name="clock">Not more than the time of a connection is waited for.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <returns>How the connection is encrypted; null for not at all.</returns>
    /// <exception cref="DeliveryException">No connection came about; the text says why.</exception>
    public static async ValueTask<string?> ConnectAsync(Uri url, TimeProvider clock, CancellationToken cancellationToken)
    {
        Uri origin = new(url.GetLeftPart(UriPartial.Authority));
        bool connected = false;
        string? encryption = null;
        using SocketsHttpHandler handler = MakeHandler();
        handler.PlaintextStreamFilter = (context, _) =>
        {
            encryption = context.PlaintextStream is SslStream tls ? $"TLS 1.{tls.SslProtocol.ToString()[^1]}" : null;
            connected = true;
            context.PlaintextStream.Dispose();
            throw new IOException("The connection was tried, and nothing is sent.");
        };
        using HttpMessageInvoker http = new(handler);
        using HttpRequestMessage request = new(HttpMethod.Head, origin);
        using CancellationTokenSource timeout = new(ConnectTimeout, clock);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            using HttpResponseMessage none = await http.SendAsync(request, ending.Token);
        }
        catch (Exception e) when (connected && e is (HttpRequestException or IOException))
        {
            return encryption;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{url.Host}:{url.Port}");
            string why = e is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } ? $"TLS with {place} failed: {e.InnerException?.Message ?? e.Message}"
                : timeout.IsCancellationRequested ? $"{place} did not take a connection in {Duration.Format(ConnectTimeout)}"
                : $"{place} cannot be reached: {e.InnerException?.Message ?? e.Message}";
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), why, e);
        }

        return encryption;
    }

    private static SocketsHttpHandler MakeHandler() => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = ConnectTimeout,
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(4), // Node, which bridges run on, ends idle ones after 5 seconds: a send would race with that
        PooledConnectionLifetime = TimeSpan.FromMinutes(5), // a service moves to other addresses
        UseProxy = false, // none from the environment: what is sent goes to the address of the settings and to nobody else
        ActivityHeadersPropagator = null, // what trace a message belongs to is told to those who are meant to know, by their communicator
        MaxResponseHeadersLength = 64,
    };

    /// <summary>A text of the service as an error may show it: the token masked, control characters replaced, cut.</summary>
    public string Shown(string? text) => Names.Shorten(_token is { IsEmpty: false } ? text?.Replace(_token.Reveal(), Secret.Mask, StringComparison.Ordinal) : text, 200);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>Reads the body; null when it does not come whole, for an answer whose status is known counts all the same.</summary>
    private static async ValueTask<byte[]?> ReadAsync(HttpResponseMessage response, int most, CancellationToken cancellationToken)
    {
        try
        {
            if (response.Content.Headers.ContentLength > most)
            {
                return null;
            }

            await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            using MemoryStream whole = new();
            byte[] piece = new byte[16 * 1024];
            int read;
            while ((read = await stream.ReadAsync(piece, cancellationToken)) > 0)
            {
                if (whole.Length + read > most)
                {
                    return null;
                }

                whole.Write(piece, 0, read);
            }

            return whole.ToArray();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return null;
        }
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        TimeSpan? wait = response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - _clock.GetUtcNow(),
            _ => null,
        };
        return wait is { } told ? told < TimeSpan.Zero ? TimeSpan.Zero : told > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : told : null;
    }

    private static string Reason(Exception e) => e is HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } http ? http.HttpRequestError.ToString() : e.GetType().Name;
}
