using System.Buffers;
using System.Text;
using System.Text.Json;
using Postroom.Storage;

namespace Postroom.Hosting;

/// <summary>What a core hands to the node that delivers for a communicator, and how a gateway answers it: calls of methods, and signs of typing and presence.</summary>
internal sealed class GatewayLink(ISharedStore store)
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    /// <summary>Answers for the communicators of this node.</summary>
    public void Answer(CallCommunicator call, Action<Signal> show) => store.AnswerAsGateway(async (ask, token) =>
    {
        if (ask.Kind == "signal")
        {
            if (JsonSerializer.Deserialize(ask.Content, PostroomJson.Default.Signal) is { } signal)
            {
                show(signal);
            }

            return null;
        }

        using JsonDocument asked = JsonDocument.Parse(ask.Content);
        JsonElement root = asked.RootElement;
        string id = root.TryGetProperty("id", out JsonElement own) ? own.ToString() : "";
        TimeSpan within = root.TryGetProperty("timeoutMs", out JsonElement limit) && limit.TryGetInt64(out long milliseconds) && milliseconds > 0 ? TimeSpan.FromMilliseconds(milliseconds) : Usual;
        string method = root.TryGetProperty("method", out JsonElement name) ? name.GetString() ?? "" : "";
        JsonElement args = root.TryGetProperty("args", out JsonElement given) ? given.Clone() : default;
        return Write(id, await call(ask.Communicator, method, args, within, token));
    });

    /// <summary>Has a method called on the node that delivers for the communicator.</summary>
    public async ValueTask<RemoteCallResult> CallAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        TimeSpan within = timeout ?? Usual;
        try
        {
            string? answer = await store.AskGatewayAsync(new GatewayAsk(communicator, "rpc", Write(method, arguments, within)), within + Grace, cancellationToken);
            return answer is null
                ? Failed("timeout", $"No gateway has answered '{method}' of communicator '{communicator}' within {Duration.Format(within)}; whether it was done is not known. See that a node with the role gateway or all runs.")
                : Read(answer);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return Failed("cancelled", "The caller has gone.");
        }
        catch (StoreUnavailableException e)
        {
            return new RemoteCallResult { Error = new RemoteCallError("unavailable", e.Message, true) };
        }
    }

    /// <summary>Has a sign shown by the node that delivers for its communicator; nobody waits, and one that does not arrive is dropped.</summary>
    public void Show(Signal signal) => _ = ShowAsync(signal);

    private async Task ShowAsync(Signal signal)
    {
        try
        {
            await store.AskGatewayAsync(new GatewayAsk(signal.Address.Scheme, "signal", JsonSerializer.Serialize(signal, PostroomJson.Default.Signal)), within: null, CancellationToken.None);
        }
        catch (Exception e) when (e is StoreUnavailableException or ObjectDisposedException or InvalidOperationException)
        {
            // A sign that is too late says nothing.
        }
    }

    private static string Write(string method, JsonElement arguments, TimeSpan within) => WriteJson(json =>
    {
        json.WriteString("id", MessageId.New().ToString());
        json.WriteString("method", method);
        json.WriteNumber("timeoutMs", (long)within.TotalMilliseconds);
        if (arguments.ValueKind != JsonValueKind.Undefined)
        {
            json.WritePropertyName("args");
            arguments.WriteTo(json);
        }
    });

    private static string Write(string id, RemoteCallResult result) => WriteJson(json =>
    {
        json.WriteString("id", id);
        json.WriteBoolean("ok", result.Error is null);
        if (result.Error is { } error)
        {
            json.WriteStartObject("error");
            json.WriteString("code", error.Code);
            json.WriteString("message", error.Message);
            json.WriteBoolean("retryable", error.Retryable);
            json.WriteEndObject();
        }
        else if (result.Result is { ValueKind: not JsonValueKind.Undefined } value)
        {
            json.WritePropertyName("result");
            value.WriteTo(json);
        }
    });

    private static string WriteJson(Action<Utf8JsonWriter> content)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    private static RemoteCallResult Read(string answer)
    {
        using JsonDocument json = JsonDocument.Parse(answer);
        JsonElement root = json.RootElement;
        return root.GetProperty("ok").GetBoolean()
            ? new RemoteCallResult { Result = root.TryGetProperty("result", out JsonElement value) ? value.Clone() : default }
            : new RemoteCallResult
            {
                Error = new RemoteCallError(
                    root.GetProperty("error").GetProperty("code").GetString()!, root.GetProperty("error").GetProperty("message").GetString()!, root.GetProperty("error").GetProperty("retryable").GetBoolean()),
            };
    }

    private static RemoteCallResult Failed(string code, string message) => new() { Error = new RemoteCallError(code, message, false) };
}

/// <summary>Calls a method of a communicator.</summary>
internal delegate ValueTask<RemoteCallResult> CallCommunicator(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken);
