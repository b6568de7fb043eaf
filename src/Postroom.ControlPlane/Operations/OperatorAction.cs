using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>
/// Does one thing that an operator asked for, writes it down, and answers: 404 for a name that does not exist, 409 for what is not possible now, 400 for a number outside its
/// bounds (CP-9).
/// </summary>
internal sealed class OperatorAction(AuditTrail audit, TimeProvider clock)
{
    /// <summary>Does it, and answers with what it gave.</summary>
    /// <param name="context">The request.</param>
    /// <param name="action">Its name in the audit, such as <c>queue.pause</c>.</param>
    /// <param name="target">To what it is done.</param>
    /// <param name="work">Does it.</param>
    /// <param name="json">How the result is written.</param>
    /// <param name="status">The status of a success.</param>
    /// <param name="message">The message it is about; null for none.</param>
    public async Task DoAsync<T>(
        HttpContext context, string action, string target, Func<CancellationToken, Task<T>> work, JsonTypeInfo<T> json, int status = StatusCodes.Status200OK, MessageId? message = null)
    {
        DateTimeOffset asked = clock.GetUtcNow(); // what it sets off may be over before this returns
        T result;
        try
        {
            result = await work(context.RequestAborted);
        }
        catch (Exception e) when (ProblemOf(e) is { } problem)
        {
            await audit.WriteAsync(context, action, target, message, problem.Code, asked);
            await problem.WriteAsync(context);
            return;
        }

        await audit.WriteAsync(context, action, target, message, at: asked);
        context.Response.StatusCode = status;
        await ApiAnswer.WriteAsync(context, result, json);
    }

    /// <summary>Does it, and answers that it is done.</summary>
    public Task DoAsync(HttpContext context, string action, string target, Func<CancellationToken, Task> work, int status = StatusCodes.Status200OK, MessageId? message = null) => DoAsync(
        context,
        action,
        target,
        async token =>
        {
            await work(token);
            return new DoneView("done");
        },
        OperationJson.Default.DoneView,
        status,
        message);

    /// <summary>As the other, for what does not wait.</summary>
    public Task DoAsync(HttpContext context, string action, string target, Action work) => DoAsync(
        context,
        action,
        target,
        _ =>
        {
            work();
            return Task.CompletedTask;
        });

    private static Problem ProblemOf(RestartRefusedException e)
    {
        (int status, string code) = e.Refusal switch
        {
            RestartRefusal.Running => (409, ProblemCode.Conflict),
            RestartRefusal.Preflight => (422, ProblemCode.PreflightFailed),
            RestartRefusal.TooMany => (429, ProblemCode.RateLimited),
            _ => (501, ProblemCode.RestartUnavailable),
        };
        return new Problem
        {
            Status = status,
            Code = code,
            Detail = e.Message,
            Errors = e.Problems.Count == 0 ? null : new Dictionary<string, string[]> { ["preflight"] = [.. e.Problems] },
            RetryAfterSeconds = e.RetryAfter is { } wait ? (int)Math.Ceiling(wait.TotalSeconds) : null,
        };
    }

    private static Problem? ProblemOf(Exception e) => e switch
    {
        KeyNotFoundException => new Problem { Status = 404, Code = ProblemCode.NotFound, Detail = e.Message },
        RestartRefusedException refused => ProblemOf(refused),
        RuntimeConflictException or JournalConflictException => new Problem { Status = 409, Code = ProblemCode.Conflict, Detail = e.Message },
        ConfirmCountException wrong => new Problem { Status = 409, Code = ProblemCode.ConfirmCount, Detail = e.Message, Count = wrong.Count },
        ConfigurationException invalid => new Problem
        {
            Status = 422,
            Code = ProblemCode.InvalidConfig,
            Detail = $"Nothing has changed; {invalid.Problems.Count} problem{(invalid.Problems.Count == 1 ? "" : "s")}, the first: {invalid.Problems[0]}",
            Errors = invalid.Problems.GroupBy(problem => problem.Key, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Select(problem => problem.ToString()).ToArray(), StringComparer.Ordinal),
        },
        DeliveryFailedException => new Problem { Status = 502, Code = ProblemCode.DeliveryFailed, Detail = e.Message },
        TimeoutException => new Problem { Status = 504, Code = ProblemCode.Timeout, Detail = e.Message },
        AddressException => new Problem { Status = 422, Code = ProblemCode.BadRequest, Detail = e.Message },
        BadRequestException bad => new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = e.Message, Errors = new Dictionary<string, string[]> { [bad.Field] = [e.Message] } },
        ArgumentException wrong => new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = e.Message, Errors = new Dictionary<string, string[]> { [wrong.ParamName ?? "body"] = [e.Message] } },
        _ => null,
    };
}

/// <summary>The number that was confirmed is not the one that would be touched (CP-9).</summary>
internal sealed class ConfirmCountException(long count, string what)
    : Exception($"This touches {count} {what}. Repeat it with \"confirm\": {count}.")
{
    /// <summary>The right number.</summary>
    public long Count { get; } = count;

    /// <summary>Throws unless the number is right.</summary>
    /// <param name="confirmed">What the caller confirmed; null for nothing.</param>
    /// <param name="count">What would be touched.</param>
    /// <param name="what">The things, in words.</param>
    public static void Check(long? confirmed, long count, string what)
    {
        if (confirmed != count)
        {
            throw new ConfirmCountException(count, what);
        }
    }
}
