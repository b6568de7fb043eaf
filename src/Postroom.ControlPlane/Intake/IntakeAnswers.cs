using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>What an intake endpoint answers when it stores nothing (WH-2, WH-10): a generic text for the caller, the detail in the log under an id that both have.</summary>
internal sealed partial class IntakeAnswers(TimeProvider clock, ILogger logger)
{
    private readonly RefusalLog _refusals = new(clock);

    /// <summary>Runs an endpoint; what keeps it from storing becomes an answer.</summary>
    public async Task GuardAsync(HttpContext context, Func<HttpContext, Task> handle)
    {
        try
        {
            await handle(context);
        }
        catch (MessageFormatException e)
        {
            await WebhookAnswer.WriteErrorAsync(context, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (IntakeClosedException e)
        {
            int status = e.Refusal == IntakeRefusal.TooManyPerKey ? StatusCodes.Status429TooManyRequests : StatusCodes.Status503ServiceUnavailable;
            string reason = e.Refusal switch
            {
                IntakeRefusal.NotRunning => "the service is starting or stopping",
                IntakeRefusal.StoreUnavailable => "messages cannot be stored now",
                IntakeRefusal.TooManyPerKey => "too many messages of this sender wait",
                IntakeRefusal.Paused => "messages are not taken now",
                _ => "too many messages wait",
            };
            await RefuseAsync(context, status, reason, e.Message, (int)Math.Clamp(Math.Ceiling(e.RetryAfter.TotalSeconds), 1, 60));
        }
        catch (StoreUnavailableException e)
        {
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "messages cannot be stored now", e.Message, 5);
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            string id = Problem.NewId();
            Log.Failed(logger, e, id);
            await WebhookAnswer.WriteErrorAsync(context, StatusCodes.Status500InternalServerError, "something went wrong here", id);
        }
    }

    /// <summary>Refuses a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="status">400 or above.</param>
    /// <param name="reason">A generic text that is safe to show; refusals of one reason share a line of the log.</param>
    /// <param name="detail">For the log; null logs nothing.</param>
    /// <param name="seconds">For 429 and 503; null to say nothing.</param>
    public async Task RefuseAsync(HttpContext context, int status, string reason, string? detail = null, int? seconds = null)
    {
        string? id = null;
        if (detail is not null)
        {
            (id, long? unlogged) = _refusals.Next(reason);
            if (unlogged is { } more)
            {
                Log.Refused(logger, status, more == 0 ? detail : $"{detail} ({more} more were answered so since the last such line.)", id);
            }
        }

        await WebhookAnswer.WriteErrorAsync(context, status, reason, id, seconds);
    }

    private static partial class Log
    {
        [LoggerMessage(4100, LogLevel.Error, "A webhook failed; the caller was told id {Id}.")]
        public static partial void Failed(ILogger logger, Exception exception, string id);

        [LoggerMessage(4101, LogLevel.Warning, "A webhook was answered with {Status} (id {Id}): {Detail}")]
        public static partial void Refused(ILogger logger, int status, string detail, string id);
    }
}
