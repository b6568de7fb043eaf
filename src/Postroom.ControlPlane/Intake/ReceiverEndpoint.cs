using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>The requests of services that call their communicator: read within bounds here, verified and answered there.</summary>
internal sealed partial class ReceiverEndpoint(IRuntimeView runtime, IntakeAccess access, ILogger log)
{
    private const string TooMany = "too many requests without a valid proof from this address";

    /// <summary>Answers what a communicator has the path of, before routing; everything else goes on.</summary>
    public RequestDelegate First(RequestDelegate next) => context =>
        runtime.FindReceivers(context.Request.Path.Value ?? "") is { Count: > 0 } receivers ? HandleAsync(context, receivers) : next(context);

    private async Task HandleAsync(HttpContext context, IReadOnlyList<IWebhookReceiver> receivers)
    {
        WebhookCall call = new()
        {
            Method = context.Request.Method,
            Query = context.Request.Query.ToDictionary(static pair => pair.Key, static pair => pair.Value.Count > 0 ? pair.Value[0] ?? "" : "", StringComparer.Ordinal),
            Headers = context.Request.Headers.ToDictionary(static pair => pair.Key, static pair => pair.Value.ToString(), StringComparer.OrdinalIgnoreCase),
        };
        receivers = [.. receivers.Where(receiver => receiver.MayBeProved(call))];
        bool hasBody = !HttpMethods.IsGet(call.Method) && !HttpMethods.IsHead(call.Method); // what those carry means nothing (RFC 9110 §9.3.1)
        using IntakeCharge charge = access.Enter(context, receivers.Any(receiver => receiver.IsProved(call)), receivers.Any(receiver => IsSigned(receiver, call)));
        if (charge.IsRefused)
        {
            await RefuseAsync(context, StatusCodes.Status429TooManyRequests, TooMany, charge.Wait);
            return;
        }

        if (!runtime.TakesMessages)
        {
            charge.TakeBack();
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "the service is starting or stopping");
            return;
        }

        if (receivers.Count == 0)
        {
            await RefuseAsync(context, StatusCodes.Status401Unauthorized, "the token or signature is missing or wrong", seconds: null);
            return;
        }

        if (hasBody)
        {
            switch (await charge.ReadBodyAsync(receivers.Max(static receiver => receiver.MaxWebhookBody)))
            {
                case RequestBody.Bytes read:
                    call = call with { Body = read.Raw };
                    break;
                case RequestBody.Refused refused:
                    await refused.ToProblem().WriteAsync(context);
                    return;
            }
        }

        await AnswerAsync(context, receivers, call, charge);
    }

    /// <summary>Whether it is what the request carries that makes a proof possible; a receiver that gives everything a chance does not say that a request is signed.</summary>
    private static bool IsSigned(IWebhookReceiver receiver, WebhookCall call) =>
        !receiver.MayBeProved(call with { Headers = new Dictionary<string, string>(), Query = new Dictionary<string, string>() });

    private async Task AnswerAsync(HttpContext context, IReadOnlyList<IWebhookReceiver> receivers, WebhookCall call, IntakeCharge charge)
    {
        try
        {
            // A caller that hangs up now must not undo the commit, only miss its answer.
            WebhookReply reply = await AskAsync(receivers, call);
            if (reply.Status is not (StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden or StatusCodes.Status405MethodNotAllowed or StatusCodes.Status413PayloadTooLarge))
            {
                charge.TakeBack();
            }
            else if (charge.Wait is { } wait)
            {
                await RefuseAsync(context, StatusCodes.Status429TooManyRequests, TooMany, wait);
                return;
            }

            context.Response.StatusCode = reply.Status;
            context.Response.ContentType = reply.ContentType;
            await context.Response.WriteAsync(reply.Body, context.RequestAborted);
        }
        catch (Exception e) when (e is IntakeClosedException or StoreUnavailableException)
        {
            charge.TakeBack(); // It was about to be stored.
            LogRefused(log, context.Request.Path, e.Message);
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "messages cannot be taken now");
        }
    }

    /// <summary>
    /// Each takes what is its own, so all are asked; one that refuses, because the signature is another's, keeps nobody out. The call is answered well only when nobody
    /// failed: a service that comes again finds repeats, one that does not would lose messages.
    /// </summary>
    internal static async ValueTask<WebhookReply> AskAsync(IReadOnlyList<IWebhookReceiver> receivers, WebhookCall call)
    {
        WebhookReply best = await receivers[0].ReceiveAsync(call, CancellationToken.None);
        foreach (IWebhookReceiver receiver in receivers.Skip(1))
        {
            WebhookReply reply = await receiver.ReceiveAsync(call, CancellationToken.None);
            best = Rank(reply) > Rank(best) ? reply : best;
        }

        return best;

        static int Rank(WebhookReply reply) => reply.Status >= 500 ? 2 : reply.Status < 300 ? 1 : 0;
    }

    private static Task RefuseAsync(HttpContext context, int status, string reason, int? seconds = 2)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.Headers.RetryAfter = seconds?.ToString(CultureInfo.InvariantCulture);
        return context.Response.WriteAsync($$"""{"success":false,"message":"{{reason}}"}""", context.RequestAborted);
    }

    [LoggerMessage(4330, LogLevel.Warning, "A service's request to {Path} was answered with 503: {Why}")]
    private static partial void LogRefused(ILogger log, string path, string why);
}
