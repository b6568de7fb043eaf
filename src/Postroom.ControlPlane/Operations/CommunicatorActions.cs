using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>What operators do to communicators (CP-10).</summary>
internal sealed class CommunicatorActions(IRuntimeView runtime, OperatorAction action)
{
    private const int MaxBody = 64 * 1024;
    private static readonly TimeSpan LongestTyping = TimeSpan.FromMinutes(10);

    public Task StartAsync(HttpContext context) => action.DoAsync(context, "communicator.start", NameOf(context), token => runtime.Control.StartCommunicatorAsync(NameOf(context), token));

    public Task StopAsync(HttpContext context) => action.DoAsync(context, "communicator.stop", NameOf(context), token => runtime.Control.StopCommunicatorAsync(NameOf(context), token));

    /// <summary>Sends a message the way every other goes, and waits for what becomes of it.</summary>
    public async Task TestAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new TestRequest(), OperationJson.Default.TestRequest) is not { } request)
        {
            return;
        }

        string name = NameOf(context);
        JsonObject detail = [];
        await action.DoAsync(
            context,
            "communicator.test",
            $"{name} {request.To}".TrimEnd(),
            async token =>
            {
                CommunicatorStatus status = (await runtime.GetStatusAsync(token)).Communicators.FirstOrDefault(one => one.Name == name)
                    ?? throw new KeyNotFoundException($"There is no communicator '{Names.Shorten(name)}'.");
                EmitOutcome outcome = await runtime.Control.TestCommunicatorAsync(status.Name, RecipientOf(status.Name, request.To).ToString(), request.Message, token);
                detail["id"] = outcome.Id.ToString();
                return outcome is { State: MessageState.Acked, Receipt: { } receipt }
                    ? new TestView(outcome.Id.ToString(), ReceiptView.Of(receipt))
                    : throw new DeliveryFailedException(outcome);
            },
            OperationJson.Default.TestView,
            detail: detail);
    }

    /// <summary>Shows typing or presence.</summary>
    public async Task SignalAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new SignalRequest(), OperationJson.Default.SignalRequest) is not { } request)
        {
            return;
        }

        string name = NameOf(context);
        await action.DoAsync(
            context,
            "communicator.signal",
            $"{name} {request.Kind} {request.To}",
            _ =>
            {
                Address to = RecipientOf(name, request.To);
                runtime.Control.Show(request.Kind switch
                {
                    "typing" => new Signal.Typing(to) { Ttl = TtlOf(request.Ttl) },
                    "presence" => new Signal.Presence(to, request.State is { Length: > 0 and <= 64 } state ? state : throw new BadRequestException("state", "state is required, for example online.")),
                    _ => throw new BadRequestException("kind", "kind is typing or presence. A reaction is a message: send it from a handler."),
                });
                return Task.CompletedTask;
            },
            StatusCodes.Status202Accepted);
    }

    private static TimeSpan TtlOf(string? text) => text is null ? new Signal.Typing(Address.ForLabel("x")).Ttl
        : Duration.TryParse(text, allowInfinite: false, out TimeSpan ttl) && ttl >= TimeSpan.Zero && ttl <= LongestTyping ? ttl
        : throw new BadRequestException("ttl", $"ttl is a duration up to {Duration.Format(LongestTyping)}, such as 8s.");

    private static Address RecipientOf(string communicator, string? to) => to is not { Length: > 0 }
        ? throw new BadRequestException("to", "to is required, a recipient of this communicator.")
        : Address.TryParse(to, out Address? whole) && whole.Scheme == communicator ? whole
        : Address.TryParse($"{communicator}:{to}", out Address? own) ? own
        : throw new BadRequestException("to", $"'{Names.Shorten(to)}' is no recipient of communicator '{communicator}'.");

    private static string NameOf(HttpContext context) => context.Request.RouteValues["communicator"] as string ?? "";
}

/// <summary>A test message was not delivered.</summary>
internal sealed class DeliveryFailedException(EmitOutcome outcome) : Exception($"Message {outcome.Id} was not delivered: {outcome.Error ?? "the service said nothing"}.");
