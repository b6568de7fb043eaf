using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>
/// Does one thing that an operator asked for, writes it down, and answers: 404 for a name that does not exist, 409 for what is not possible now, 400 for a number outside its
/// bounds (CP-9). Safe for concurrent use.
/// </summary>
/// <remarks>What has begun goes on when its caller leaves: half of a purge without a row would be neither done nor known. Only the stop of the server ends it.</remarks>
internal sealed partial class OperatorAction(AuditTrail audit, TimeProvider clock, ILogger<OperatorAction> logger)
{
    /// <summary>The result of what the stop of the server broke off.</summary>
    public const string Aborted = "aborted";

    private readonly CancellationTokenSource _stopping = new(); // never disposed: what ends late still looks at it, and it has no timer
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _running = [];

    /// <summary>Does it, and answers with what it gave.</summary>
    /// <param name="context">The request.</param>
    /// <param name="action">Its name in the audit, such as <c>queue.pause</c>.</param>
    /// <param name="target">To what it is done.</param>
    /// <param name="work">Does it. Its token is that of the server's stop.</param>
    /// <param name="json">How the result is written.</param>
    /// <param name="status">The status of a success.</param>
    /// <param name="message">The message it is about; null for none.</param>
    /// <param name="detail">What else the audit is to know; the work may add to it. Null for nothing.</param>
    /// <param name="about">The message that a success is about, when it is known then only; null for <paramref name="message"/>.</param>
    public Task DoAsync<T>(
        HttpContext context,
        string action,
        string target,
        Func<CancellationToken, Task<T>> work,
        JsonTypeInfo<T> json,
        int status = StatusCodes.Status200OK,
        MessageId? message = null,
        JsonObject? detail = null,
        Func<T, MessageId?>? about = null) => DoAsync(context, action, target, work, json, _ => status, message, detail, about);

    /// <summary>As the other, for a result that decides the status.</summary>
    public async Task DoAsync<T>(
        HttpContext context,
        string action,
        string target,
        Func<CancellationToken, Task<T>> work,
        JsonTypeInfo<T> json,
        Func<T, int> status,
        MessageId? message = null,
        JsonObject? detail = null,
        Func<T, MessageId?>? about = null)
    {
        AuditRow row = new(Caller.Of(context), action, target)
        {
            Message = message,
            At = clock.GetUtcNow(), // what it sets off may be over before it returns
            Detail = detail ?? [],
        };
        Task<(T? Result, Problem? Problem)> running = Begin(() => DoAsync(row, work, about));
        (T? result, Problem? problem) = await running;
        if (problem is not null)
        {
            await problem.WriteAsync(context);
            return;
        }

        context.Response.StatusCode = status(result!);
        await ApiAnswer.WriteAsync(context, result!, json);
    }

    /// <summary>Ends what is under way, and returns once each has its row; the store has to be open until then.</summary>
    /// <param name="limit">How long to wait at most for what does not end.</param>
    public async Task StopAsync(TimeSpan limit)
    {
        Task[] running;
        lock (_gate)
        {
            running = [.. _running];
        }

        await _stopping.CancelAsync();
        await Task.WhenAll(running).WaitAsync(limit, clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>The stop of the server, for what goes on behind an answer.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Does it, and answers that it is done.</summary>
    public Task DoAsync(HttpContext context, string action, string target, Func<CancellationToken, Task> work, int status = StatusCodes.Status200OK, MessageId? message = null, JsonObject? detail = null) => DoAsync(
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
        message,
        detail);

    /// <summary>As the other, for what does not wait.</summary>
    public Task DoAsync(HttpContext context, string action, string target, Action work, JsonObject? detail = null) => DoAsync(
        context,
        action,
        target,
        _ =>
        {
            work();
            return Task.CompletedTask;
        },
        detail: detail);

    /// <summary>Begins, remembered until it has ended.</summary>
    private Task<T> Begin<T>(Func<Task<T>> begin)
    {
        Task<T> running = begin();
        if (!running.IsCompleted)
        {
            lock (_gate)
            {
                _running.Add(running);
            }

            _ = running.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        return running;
    }

    private void Forget(Task ended)
    {
        lock (_gate)
        {
            _running.Remove(ended);
        }
    }

    /// <summary>Does it and writes its row, however it ends.</summary>
    private async Task<(T? Result, Problem? Problem)> DoAsync<T>(AuditRow row, Func<CancellationToken, Task<T>> work, Func<T, MessageId?>? about)
    {
        try
        {
            T result = await work(_stopping.Token);
            await audit.WriteAsync(about is null ? row : row with { Message = about(result) });
            return (result, null);
        }
        catch (Exception e) when (ProblemOf(e) is { } problem)
        {
            row.Detail!["error"] = problem.Detail;
            row.Detail["count"] ??= problem.Count;
            await audit.WriteAsync(row with { Result = problem.Code });
            return (default, problem);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            await audit.WriteAsync(row with { Result = Aborted });
            return (default, new Problem { Status = 503, Code = ProblemCode.Draining, Detail = "The runtime stops, so this was broken off; a part of it may be done. Look how it stands, and repeat it.", RetryAfterSeconds = 5 });
        }
        catch (StoreUnavailableException e)
        {
            row.Detail!["error"] = e.Message;
            await audit.WriteAsync(row with { Result = ProblemCode.StoreUnavailable });
            throw;
        }
        catch (Exception e)
        {
            Problem problem = new() { Status = 500, Code = ProblemCode.InternalError, Detail = "Something went wrong here. The log has the detail under this id." };
            LogFailed(e, row.Action, problem.Id);
            row.Detail!["error"] = $"{e.GetType().Name}, id {problem.Id}";
            await audit.WriteAsync(row with { Result = ProblemCode.InternalError });
            return (default, problem);
        }
    }

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
        DryRunUnsupportedException => new Problem { Status = 409, Code = ProblemCode.DryRunUnsupported, Detail = e.Message },
        DeliveryFailedException => new Problem { Status = 502, Code = ProblemCode.DeliveryFailed, Detail = e.Message },
        TimeoutException => new Problem { Status = 504, Code = ProblemCode.Timeout, Detail = e.Message },
        AddressException => new Problem { Status = 422, Code = ProblemCode.BadRequest, Detail = e.Message },
        BadRequestException bad => new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = e.Message, Errors = new Dictionary<string, string[]> { [bad.Field] = [e.Message] } },
        ArgumentException wrong => new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = e.Message, Errors = new Dictionary<string, string[]> { [wrong.ParamName ?? "body"] = [e.Message] } },
        _ => null,
    };

    [LoggerMessage(4021, LogLevel.Error, "{Action} failed; the caller was told id {Id}.")]
    private partial void LogFailed(Exception exception, string action, string id);
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
