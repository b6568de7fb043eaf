using System.Text.Json;

namespace Postroom.Crash;

/// <summary>A web chat that stays open over restarts: it posts, and reads its event stream, which it resumes by the id of the last event.</summary>
internal sealed class RestartReader(Uri address) : IDisposable
{
    private const string Contact = "reader";
    private static readonly TimeSpan BetweenPosts = TimeSpan.FromMilliseconds(200);

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };
    private readonly CancellationTokenSource _posting = new();
    private readonly CancellationTokenSource _reading = new();
    private readonly List<string> _posted = [];
    private readonly List<string> _read = [];

    /// <summary>How often the stream was resumed.</summary>
    public int Resumed { get; private set; }

    /// <summary>Posts and reads until it is stopped and every answer has come; what is wrong with them, null for nothing.</summary>
    public async Task<string?> RunAsync()
    {
        Task reading = ReadAsync();
        for (int i = 0; !_posting.IsCancellationRequested; i++)
        {
            string text = $"line {i}";
            if (await PostAsync(text))
            {
                _posted.Add(text);
            }

            await Task.Delay(BetweenPosts, _posting.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        for (int i = 0; i < 500 && Count() < _posted.Count; i++)
        {
            await Task.Delay(20);
        }

        await _reading.CancelAsync();
        await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        string[] missing = [.. _posted.Where(text => !_read.Exists(answer => answer.EndsWith(text, StringComparison.Ordinal)))];
        int repeated = _read.Count - _read.Distinct(StringComparer.Ordinal).Count();
        return missing.Length == 0 && repeated == 0 ? null : $"Of {_posted.Count} chat lines {missing.Length} were not answered in the open chat ({string.Join(", ", missing.Take(5))}), {repeated} more than once.";
    }

    /// <summary>Ends the posting.</summary>
    public void Stop() => _posting.Cancel();

    public void Dispose()
    {
        _http.Dispose();
        _posting.Dispose();
        _reading.Dispose();
    }

    private async Task<bool> PostAsync(string text)
    {
        using StringContent content = new(JsonSerializer.Serialize(new { sender = Contact, msg_type = "chat", raw_msg = text, client_type = "emulator", message_id = text }), System.Text.Encoding.UTF8, "application/json");
        for (int tries = 0; tries < 50; tries++)
        {
            try
            {
                using HttpResponseMessage answer = await _http.PostAsync(new Uri(address, "webhook"), content);
                if (answer.IsSuccessStatusCode)
                {
                    return true;
                }
            }
            catch (HttpRequestException)
            {
                // A kept connection may end at any time; the message has an id and is sent again.
            }

            await Task.Delay(20);
        }

        return false;
    }

    private int Count()
    {
        lock (_read)
        {
            return _read.Count;
        }
    }

    private async Task ReadAsync()
    {
        string? last = null;
        while (!_reading.IsCancellationRequested)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, new Uri(address, $"events?sender={Contact}"));
            if (last is not null)
            {
                request.Headers.Add("Last-Event-ID", last);
                Resumed++;
            }

            try
            {
                using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _reading.Token);
                using StreamReader reader = new(await answer.Content.ReadAsStreamAsync(_reading.Token));
                string? data = null;
                bool named = false;
                while (await reader.ReadLineAsync(_reading.Token) is { } line)
                {
                    if (line.StartsWith("id:", StringComparison.Ordinal))
                    {
                        last = line[3..].Trim();
                    }
                    else if (line.StartsWith("event:", StringComparison.Ordinal))
                    {
                        named = true;
                    }
                    else if (line.StartsWith("data:", StringComparison.Ordinal))
                    {
                        data = line[5..].Trim();
                    }
                    else if (line.Length == 0)
                    {
                        Keep(named ? null : data);
                        (data, named) = (null, false);
                    }
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException && !_reading.IsCancellationRequested)
            {
                await Task.Delay(20); // between two generations
            }
        }
    }

    private void Keep(string? text)
    {
        if (text is not null)
        {
            lock (_read)
            {
                _read.Add(text);
            }
        }
    }
}
