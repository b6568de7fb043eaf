using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Postroom.Chat;

/// <summary>The HTTP Bot API (https://core.telegram.org/bots/api): one request, one answer. Safe for concurrent use.</summary>
/// <remarks>The token is part of every address, so addresses are never logged, traced or put into an exception (TG-15).</remarks>
internal sealed partial class TelegramApi : IDisposable
{
    /// <summary>The longest answer that is read, in bytes.</summary>
    public const int MaxReply = 1 << 20;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(30);

    private readonly HttpClient _client;
    private readonly string _methods;
    private readonly string _files;
    private readonly string _shown;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;

    /// <summary>Makes a client; nothing connects yet.</summary>
    /// <param name="baseUrl">Where the API answers.</param>
    /// <param name="token">The bot's token.</param>
    /// <param name="clock">Ends requests.</param>
    /// <param name="log">Gets a line for each request, without the token.</param>
    public TelegramApi(Uri baseUrl, Secret token, TimeProvider clock, ILogger log)
    {
        _clock = clock;
        _log = log;
        string root = baseUrl.AbsoluteUri.TrimEnd('/');
        _methods = $"{root}/bot{token.Reveal()}/";
        _files = $"{root}/file/bot{token.Reveal()}/";
        _shown = $"{root}/bot***/";
        _client = new HttpClient(new SocketsHttpHandler
        {
            ConnectTimeout = ConnectTimeout,
            PooledConnectionIdleTimeout = IdleTimeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(10), // a name may move to another address
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false, // as in ServiceHttp; a proxy would see the token, which is part of the address
            ActivityHeadersPropagator = null, // the platform's spans carry the whole address, and with it the token
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>How long a request may take.</summary>
    public static TimeSpan RequestTimeout { get; } = TimeSpan.FromSeconds(30);

    /// <summary>Calls a method.</summary>
    /// <param name="method">Its name.</param>
    /// <param name="body">Its parameters.</param>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="cancellationToken">Ends the wait; whether the service has done it is then not known.</param>
    /// <returns>The result.</returns>
    /// <exception cref="TelegramException">It did not succeed.</exception>
    public async Task<JsonElement> CallAsync(string method, RequestBody body, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, _methods + method) { Content = body };
        (HttpStatusCode status, byte[] reply) = await ExchangeAsync(method, request, MaxReply, timeout, () => body.HasLeft, cancellationToken);
        return TelegramAnswers.Read(method, status, reply);
    }

    /// <summary>Fetches a file.</summary>
    /// <param name="path">Its <c>file_path</c>, from <c>getFile</c>.</param>
    /// <param name="limit">The longest that is read, in bytes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TelegramException">It is not given.</exception>
    public async Task<byte[]> DownloadAsync(string path, int limit, CancellationToken cancellationToken)
    {
        const string Step = "the download of a file";
        if (path.Length is 0 or > 1_024 || path.Split('/').Any(part => part is "" or "." or ".."))
        {
            throw new TelegramException(new DeliveryFailure.Refused("file_path"), "Telegram named a path of a file that is not fetched: it is absolute, empty or leaves its directory.");
        }

        string escaped = string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
        using HttpRequestMessage request = new(HttpMethod.Get, _files + escaped);
        (HttpStatusCode status, byte[] reply) = await ExchangeAsync(Step, request, limit, RequestTimeout, () => false, cancellationToken);
        return status switch
        {
            HttpStatusCode.OK => reply,
            HttpStatusCode.NotFound => throw new TelegramException(new DeliveryFailure.Refused("404"), "Telegram does not have the file any more."),
            _ => throw Failed(Step, status, reply),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private static TelegramException Failed(string step, HttpStatusCode status, byte[] reply)
    {
        try
        {
            _ = TelegramAnswers.Read(step, status, reply);
        }
        catch (TelegramException e)
        {
            return e;
        }

        return TelegramAnswers.Broken(step, status, tooLong: false);
    }

    private async Task<(HttpStatusCode Status, byte[] Reply)> ExchangeAsync(
        string method, HttpRequestMessage request, int limit, TimeSpan timeout, Func<bool> hasLeft, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = new(timeout, _clock);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        HttpStatusCode? status = null;
        try
        {
            using HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ending.Token);
            status = response.StatusCode;
            byte[] reply = await ReadAsync(method, response, limit, ending.Token);
            LogRequest(_shown, method, (int)status);
            return (response.StatusCode, reply);
        }
        catch (TelegramException)
        {
            throw;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            TelegramException failed = status is { } told
                ? TelegramAnswers.Broken(method, told, tooLong: false)
                : TelegramAnswers.NoAnswer(method, e, hasLeft());
            LogFailure(_shown, failed.Message);
            throw failed;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new OperationCanceledException(cancellationToken); // Its cause may name the address.
        }
    }

    private static async Task<byte[]> ReadAsync(string method, HttpResponseMessage response, int limit, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength > limit)
        {
            throw TelegramAnswers.Broken(method, response.StatusCode, tooLong: true);
        }

        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using MemoryStream whole = new((int)(response.Content.Headers.ContentLength ?? 0));
        byte[] buffer = new byte[8 * 1024];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (whole.Length + read > limit)
            {
                throw TelegramAnswers.Broken(method, response.StatusCode, tooLong: true);
            }

            whole.Write(buffer, 0, read);
        }

        return whole.ToArray();
    }

    [LoggerMessage(6000, LogLevel.Debug, "{Api}: {Method} was answered with {Status}.")]
    private partial void LogRequest(string api, string method, int status);

    [LoggerMessage(6001, LogLevel.Debug, "{Api}: {Failure}")]
    private partial void LogFailure(string api, string failure);
}
