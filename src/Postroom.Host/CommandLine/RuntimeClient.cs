using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>The runtime cannot be reached, or does not allow it.</summary>
internal sealed class NotReachableException(string message) : Exception(message);

/// <summary>Asks a running runtime over HTTP.</summary>
/// <remarks>What reads is answered within <see cref="ReadTime"/>; what changes something takes as long as it takes, since the runtime finishes it anyway.</remarks>
internal sealed class RuntimeClient(HttpClient http) : IDisposable
{
    private static readonly TimeSpan ReadTime = TimeSpan.FromSeconds(30);

    /// <summary>Connects to the runtime of the command line; null when none runs there.</summary>
    /// <exception cref="NotReachableException">One was named and does not answer, or no key is known.</exception>
    public static async Task<RuntimeClient?> ConnectAsync(HostArguments arguments, ConfigurationSnapshot settings, CancellationToken cancellationToken)
    {
        // A store that nobody has open is read as it is: what answers at the address, if anything does, is another folder's runtime.
        if (arguments.Url is null && (arguments.Store is not null || (HasStore(settings) && !OwnsStore(settings))))
        {
            return null;
        }

        string data = settings.Get<RuntimeOptions>("runtime").DataDirectory;
        ServerOptions server = settings.Get<ServerOptions>("server");
        string url = arguments.Url ?? await LiveAddress.ReadAsync(settings, cancellationToken) ?? (server.AdminUrls is [var admin, ..] ? admin : server.Urls[0]);
        HttpClient http = new() { BaseAddress = new Uri(url.TrimEnd('/') + "/"), Timeout = Timeout.InfiniteTimeSpan };
        if (arguments.Url is null && HostFor(http.BaseAddress, server.Hosts) is { } name)
        {
            http.DefaultRequestHeaders.Host = name;
        }

        try
        {
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(ReadTime);
            using HttpResponseMessage live = await http.GetAsync(new Uri("health/live", UriKind.Relative), limit.Token);
            if (live.StatusCode == HttpStatusCode.MisdirectedRequest)
            {
                throw new NotReachableException($"The runtime at {url} answers to other host names only. Call it by one of its server.hosts, or add '{http.BaseAddress.Host}' to them.");
            }

            if (!(await live.Content.ReadAsStringAsync(cancellationToken)).StartsWith("{\"status\":", StringComparison.Ordinal))
            {
                throw new HttpRequestException("what answers there is no Postroom.");
            }
        }
        catch (NotReachableException)
        {
            http.Dispose();
            throw;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            http.Dispose();
            return arguments.Url is null
                ? null
                : throw new NotReachableException($"Nothing answers at {url}: {e.Message.TrimEnd('.')}. Start it with 'postroom run', or leave --url out to read the store file.");
        }

        // The key of this machine's runtime is for that runtime only: it is not sent to an address somebody typed.
        string? key = arguments.Token ?? (arguments.Url is null && OwnsStore(settings) ? await AdminKeyFile.ReadAsync(data, cancellationToken) : null);
        if (key is null)
        {
            http.Dispose();
            throw new NotReachableException(arguments.Url is not null
                ? $"The runtime at {url} needs a key. Pass it with --token; the key of this folder is for the runtime of this folder only."
                : !OwnsStore(settings)
                    ? $"A runtime answers at {url}, but none has the store '{Path.GetFullPath(settings.Get<StoreOptions>("store").Path)}' of these settings open, so it is another one. Give the settings that one was started with (--config, --set), or name it with --url and --token."
                    : $"The runtime at {url} needs a key, and there is none in '{Path.Combine(data, AdminKeyFile.Name)}'. Pass one with --token, or set runtime.dataDirectory as the runtime has it.");
        }

        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return new RuntimeClient(http);
    }

    /// <summary>Where the runtime answers.</summary>
    public Uri Address => http.BaseAddress!;

    /// <summary>Changes one resource; null when it does not exist.</summary>
    public async Task<T?> PostAsync<T>(string path, string json, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        using StringContent content = new(json, System.Text.Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await http.PostAsync(new Uri($"api/v1/{path}", UriKind.Relative), content, cancellationToken);
        return await ReadAsync(answer, type, cancellationToken);
    }

    /// <summary>Removes one resource; null when it does not exist.</summary>
    public async Task<T?> DeleteAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        using HttpResponseMessage answer = await http.DeleteAsync(new Uri($"api/v1/{path}", UriKind.Relative), cancellationToken);
        return await ReadAsync(answer, type, cancellationToken);
    }

    /// <summary>Reads one resource; null when it does not exist.</summary>
    public async Task<T?> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        return await ReadingAsync(path, (answer, token) => ReadAsync(answer, type, token), cancellationToken);
    }

    /// <summary>Reads one file; null when it does not exist.</summary>
    public async Task<byte[]?> GetBytesAsync(string path, CancellationToken cancellationToken)
    {
        return await ReadingAsync(
            path,
            async (answer, token) => answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync(token)
                : await TextOfAsync(answer, token) is null ? null
                : throw new InvalidOperationException($"The runtime at {http.BaseAddress} sent no file."),
            cancellationToken);
    }

    /// <summary>How every part is; null when that is not told.</summary>
    public async Task<HealthView?> HealthAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ReadTime);

        // 503 has the same content: something is unhealthy.
        using HttpResponseMessage answer = await http.GetAsync(new Uri("health", UriKind.Relative), limit.Token);
        return answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable
            ? JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(limit.Token), HealthJson.Default.HealthView)
            : null;
    }

    /// <summary>Follows a stream of events until the server ends it.</summary>
    /// <param name="path">The stream.</param>
    /// <param name="last">The id behind which it begins; null for from now on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="HttpRequestException">The connection broke.</exception>
    public async IAsyncEnumerable<(string? Id, string Name, string Data)> StreamAsync(string path, string? last, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri($"api/v1/{path}", UriKind.Relative));
        if (last is not null)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", last);
        }

        using HttpResponseMessage answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!answer.IsSuccessStatusCode)
        {
            _ = await TextOfAsync(answer, cancellationToken);
        }

        await using Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(cancellationToken))
        {
            yield return (item.EventId, item.EventType, item.Data);
        }
    }

    public void Dispose() => http.Dispose();

    /// <summary>The name to call the runtime of this machine by, where it does not answer to its address.</summary>
    internal static string? HostFor(Uri address, IReadOnlyList<string> hosts)
    {
        return hosts.Count == 0 || hosts.Any(host => string.Equals(host, address.Host, StringComparison.OrdinalIgnoreCase) || string.Equals(host, address.Authority, StringComparison.OrdinalIgnoreCase))
            ? null
            : hosts[0];
    }

    private async Task<T> ReadingAsync<T>(string path, Func<HttpResponseMessage, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ReadTime);
        try
        {
            using HttpResponseMessage answer = await http.GetAsync(new Uri($"api/v1/{path}", UriKind.Relative), limit.Token);
            return await read(answer, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new NotReachableException($"The runtime at {http.BaseAddress} did not answer within {Duration.Format(ReadTime)}.");
        }
    }

    private async Task<T?> ReadAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        return await TextOfAsync(answer, cancellationToken) is { } text ? JsonSerializer.Deserialize(text, type) : null;
    }

    /// <summary>The body of a success; null for what does not exist.</summary>
    private async Task<string?> TextOfAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (answer.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        string text = await answer.Content.ReadAsStringAsync(cancellationToken);
        if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.TooManyRequests)
        {
            throw new NotReachableException($"The runtime at {http.BaseAddress} does not allow it ({(int)answer.StatusCode}): {Detail(text)}");
        }

        if (answer.StatusCode == HttpStatusCode.Conflict)
        {
            throw new InvalidOperationException(Detail(text));
        }

        return answer.IsSuccessStatusCode ? text : throw new InvalidOperationException($"The runtime at {http.BaseAddress} answered {(int)answer.StatusCode}: {Detail(text)}");
    }

    /// <summary>Whether there is a store of these settings, or what is left of one.</summary>
    private static bool HasStore(ConfigurationSnapshot settings)
    {
        StoreOptions store = settings.Get<StoreOptions>("store");
        return store.Kind == "sqlite" && (File.Exists(store.Path) || File.Exists(MarkFile.PathFor(store.Path)));
    }

    /// <summary>Whether a process owns the configured store, so that what answers at its address can be believed to be it.</summary>
    internal static bool OwnsStore(ConfigurationSnapshot settings)
    {
        StoreOptions store = settings.Get<StoreOptions>("store");
        return store.Kind != "sqlite" || OwnerLock.IsHeld(store.Path);
    }

    private static string Detail(string text)
    {
        try
        {
            using JsonDocument problem = JsonDocument.Parse(text);
            return problem.RootElement.TryGetProperty("detail", out JsonElement detail) ? detail.GetString() ?? text : text;
        }
        catch (JsonException)
        {
            return text;
        }
    }
}
