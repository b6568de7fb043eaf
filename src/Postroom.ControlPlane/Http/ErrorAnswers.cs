using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>Turns what an endpoint threw, and routes that do not exist, into problems that tell no inner detail (CP-7, WH-10).</summary>
internal sealed partial class ErrorAnswers(RequestDelegate next, ILogger<ErrorAnswers> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
            if (context.Response is { HasStarted: false, StatusCode: 404 or 405, ContentType: null, ContentLength: null })
            {
                await (context.Response.StatusCode == 404
                    ? new Problem { Status = 404, Code = ProblemCode.NotFound, Detail = "There is nothing here." }
                    : new Problem { Status = 405, Code = ProblemCode.BadRequest, Detail = $"This path takes {context.Response.Headers.Allow}, not {context.Request.Method}." }).WriteAsync(context);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client left.
        }
        catch (BadRequestException e)
        {
            await new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = e.Message, Errors = new Dictionary<string, string[]> { [e.Field] = [e.Message] } }.WriteAsync(context);
        }
        catch (BadHttpRequestException e)
        {
            await new Problem { Status = e.StatusCode, Code = ProblemCode.BadRequest, Detail = "The request is not complete or not well formed." }.WriteAsync(context);
        }
        catch (StoreUnavailableException e)
        {
            string id = Problem.NewId();
            Log.StoreUnavailable(logger, id, e.Message);
            await new Problem { Status = 503, Code = ProblemCode.StoreUnavailable, Detail = "The store cannot be used now.", Id = id, RetryAfterSeconds = 5 }.WriteAsync(context);
        }
        catch (TimeoutException e)
        {
            await new Problem { Status = 504, Code = ProblemCode.Timeout, Detail = e.Message }.WriteAsync(context);
        }
        catch (ObjectDisposedException)
        {
            await new Problem { Status = 503, Code = ProblemCode.Draining, Detail = "The runtime is stopping.", RetryAfterSeconds = 5 }.WriteAsync(context);
        }
        catch (Exception e)
        {
            string id = Problem.NewId();
            Log.Failed(logger, e, context.Request.Method, context.Request.Path.Value ?? "", id);
            await new Problem { Status = 500, Code = ProblemCode.InternalError, Detail = "Something went wrong here. The log has the detail under this id.", Id = id }.WriteAsync(context);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(4000, LogLevel.Error, "{Method} {Path} failed; the caller was told id {Id}.")]
        public static partial void Failed(ILogger logger, Exception exception, string method, string path, string id);

        [LoggerMessage(4001, LogLevel.Warning, "The store did not answer a request; the caller was told id {Id}: {Reason}")]
        public static partial void StoreUnavailable(ILogger logger, string id, string reason);
    }
}

/// <summary>A query value that cannot be used; the answer is 400.</summary>
internal sealed class BadRequestException(string field, string message) : Exception(message)
{
    /// <summary>The query parameter.</summary>
    public string Field { get; } = field;
}
