using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Postroom.Configuration;
using Postroom.ControlPlane;

namespace Postroom.Host;

/// <summary>The web chat in the terminal: what is typed is posted, and what is answered is printed.</summary>
/// <remarks>A connection that breaks is made again behind the last message, so that a restart of the runtime loses nothing here either.</remarks>
internal sealed class ChatSession(HttpClient http, string contact, string? token) : IDisposable
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastAnswers = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Silence = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private readonly Lock _waiting = new();
    private readonly HashSet<string> _open = [];
    private string? _last;
    private long _heardAt = TimeProvider.System.GetTimestamp();

    /// <summary>Talks until the input ends.</summary>
    public static async Task<int> RunAsync(HostArguments arguments, string? contact, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        ServerOptions server = settings.Get<ServerOptions>("server");

        // With addresses of its own, the control plane answers where the chat does not.
        string url = arguments.Url ?? (server.AdminUrls.Count == 0 ? await LiveAddress.ReadAsync(settings, cancellationToken) : null) ?? server.Urls[0];
        Uri address = new(url.TrimEnd('/') + "/");
        string? secret = arguments.Token ?? (arguments.Url is null ? await TokenOfAsync(arguments, cancellationToken) : null);
        using ChatSession session = new(new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan }, contact ?? $"terminal-{Environment.UserName}", secret is null ? null : ChatToken.Of(secret));
        if (arguments.Url is null && RuntimeClient.HostFor(address, server.Hosts) is { } name)
        {
            session.CallBy(name);
        }

        return await session.TalkAsync(arguments.Quiet, cancellationToken);
    }

    public void Dispose() => http.Dispose();

    private static async Task<string?> TokenOfAsync(HostArguments arguments, CancellationToken cancellationToken)
    {
        await using HostedRuntime host = HostedRuntime.Create(arguments, configure: null, standalone: true, output: null);
        ConfigurationSnapshot intake = await host.Runtime.LoadSectionsAsync(["intake"], except: "server.keys", cancellationToken);
        WebhookIntakeOptions options = intake.Get<IntakeOptions>("intake").Webhook;
        return (options.Token ?? options.Secret)?.RevealAll() is [var first, ..] ? first : null;
    }

    private void CallBy(string name) => http.DefaultRequestHeaders.Host = name;

    private async Task<int> TalkAsync(bool quiet, CancellationToken cancellationToken)
    {
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        TaskCompletionSource connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task listening = ListenAsync(connected, ending.Token);
        if (await Task.WhenAny(connected.Task, listening) == listening)
        {
            await listening; // It says why.
        }

        if (!quiet)
        {
            await Console.Error.WriteLineAsync($"You are {contact}. Each line is a message; Ctrl+D ends the chat.");
        }

        while (await Task.Run(Console.In.ReadLine, CancellationToken.None).WaitAsync(cancellationToken) is { } line)
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                await SayAsync(line, cancellationToken);
            }
        }

        await LastAnswersAsync(cancellationToken);
        await ending.CancelAsync();
        await listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return ExitCodes.Done;
    }

    /// <summary>What was said last may still be answered when input comes from a file.</summary>
    private async Task LastAnswersAsync(CancellationToken cancellationToken)
    {
        long begun = TimeProvider.System.GetTimestamp();
        while (HasOpen() && TimeProvider.System.GetElapsedTime(begun) < LastAnswers)
        {
            await Task.Delay(Look, cancellationToken);
        }

        // What a handler answers leaves after its message is done.
        while (TimeProvider.System.GetElapsedTime(Volatile.Read(ref _heardAt)) < Silence && TimeProvider.System.GetElapsedTime(begun) < LastAnswers)
        {
            await Task.Delay(Look, cancellationToken);
        }

        bool HasOpen()
        {
            lock (_waiting)
            {
                return _open.Count > 0;
            }
        }
    }

    private async Task SayAsync(string text, CancellationToken cancellationToken)
    {
        JsonObject body = new() { ["sender"] = contact, ["msg_type"] = "chat", ["raw_msg"] = text, ["client_type"] = "emulator" };
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri("webhook", UriKind.Relative)) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };
        if (token is not null)
        {
            request.Headers.Add(IntakeAccess.TokenHeader, token);
        }

        try
        {
            using HttpResponseMessage answer = await http.SendAsync(request, cancellationToken);
            using JsonDocument said = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(cancellationToken));
            if (!answer.IsSuccessStatusCode)
            {
                await Console.Error.WriteLineAsync($"It was not taken ({(int)answer.StatusCode}): {said.RootElement}");
            }
            else if (said.RootElement.GetProperty("data").GetProperty("entry_id").GetString() is { } id)
            {
                lock (_waiting)
                {
                    _open.Add(id);
                }
            }
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            await Console.Error.WriteLineAsync($"It was not sent: {e.Message} Say it again once the runtime answers.");
        }
    }

    private async Task ListenAsync(TaskCompletionSource connected, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await FollowAsync(connected, cancellationToken);
            }
            catch (Exception e) when (e is HttpRequestException or IOException && !cancellationToken.IsCancellationRequested)
            {
                if (!connected.Task.IsCompleted)
                {
                    throw new NotReachableException($"No web chat answers at {http.BaseAddress}: {e.Message.TrimEnd('.')}. Start it with 'postroom run', or name its address with --url and its intake token with --token.");
                }
            }

            await Task.Delay(Again, cancellationToken);
        }
    }

    private async Task FollowAsync(TaskCompletionSource connected, CancellationToken cancellationToken)
    {
        string path = $"events?sender={Uri.EscapeDataString(contact)}{(token is null ? "" : $"&token={Uri.EscapeDataString(token)}")}";
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(path, UriKind.Relative));
        if (_last is not null)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", _last);
        }

        using HttpResponseMessage answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        answer.EnsureSuccessStatusCode();
        connected.TrySetResult();
        await using Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(cancellationToken))
        {
            Show(item);
        }
    }

    private void Show(SseItem<string> item)
    {
        Volatile.Write(ref _heardAt, TimeProvider.System.GetTimestamp());
        switch (item.EventType)
        {
            case SseParser.EventTypeDefault:
                _last = item.EventId ?? _last;
                Console.WriteLine(item.Data);
                break;
            case "state" when JsonSerializer.Deserialize(item.Data, ChatJson.Default.StateData) is { } moved:
                if (moved.State == "failed")
                {
                    Console.Error.WriteLine($"Message {moved.Id} failed: {moved.Reason}");
                }

                if (moved.State is "failed" or "acked")
                {
                    lock (_waiting)
                    {
                        _open.Remove(moved.Id);
                    }
                }

                break;
            case "reaction" when JsonSerializer.Deserialize(item.Data, ChatJson.Default.ReactionData) is { Remove: false } reaction:
                Console.WriteLine(reaction.Emoji);
                break;
            case "fault" when JsonSerializer.Deserialize(item.Data, ChatJson.Default.FaultData) is { } fault:
                Console.Error.WriteLine(fault.Text);
                break;
        }
    }
}
