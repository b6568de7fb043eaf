using System.Diagnostics;
using System.Text.Json;
using Postroom.Diagnostics;
using Postroom.Hosting;

namespace Postroom.Outbound;

/// <summary>Calls methods of communicators in this process (GW-11 to GW-13). A call is never repeated.</summary>
internal sealed class RemoteCalls(RoutingTable routes, Redactor redactor, TimeProvider clock, MessageSpans? spans = null)
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    /// <summary>Calls on the node that delivers for the communicator; null where this one does.</summary>
    public CallCommunicator? Elsewhere { get; set; }

    public ValueTask<RemoteCallResult> CallAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken) =>
        spans is { IsOn: true } ? TracedAsync(communicator, method, arguments, timeout, cancellationToken) : InvokeAsync(communicator, method, arguments, timeout, cancellationToken);

    private async ValueTask<RemoteCallResult> TracedAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using Activity? span = spans!.BeginCall(communicator, method);
        RemoteCallResult result = await InvokeAsync(communicator, method, arguments, timeout, cancellationToken);
        span?.SetTag("postroom.outcome", result.Error?.Code ?? "ok");
        if (result.Error is { } error)
        {
            span?.SetStatus(ActivityStatusCode.Error, error.Message);
        }

        return result;
    }

    private async ValueTask<RemoteCallResult> InvokeAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        TimeSpan limit = timeout ?? Usual;
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(limit, TimeSpan.Zero, nameof(timeout));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, Longest, nameof(timeout));
        if (routes.Find(communicator)?.Communicator is not { } target)
        {
            string known = string.Join(", ", routes.All.Select(static registration => registration.Name));
            return Failed("unavailable", $"There is no communicator '{Names.Shorten(communicator)}'. {(known.Length > 0 ? $"Registered are {known}." : "None is registered.")}", retryable: false);
        }

        if (target is not IRemoteCalls calls || !calls.Methods.Contains(method))
        {
            string offered = target is IRemoteCalls { Methods: { Count: > 0 } methods } ? $"It has {string.Join(", ", methods.Order(StringComparer.Ordinal))}." : "It has none.";
            return Failed("unknown_method", $"Communicator '{communicator}' has no method '{Names.Shorten(method)}'. {offered}", retryable: false);
        }

        if (Elsewhere is { } elsewhere)
        {
            return await elsewhere(communicator, method, arguments, limit, cancellationToken);
        }

        if (!target.IsStarted)
        {
            return Failed("unavailable", $"Communicator '{communicator}' has not started.", retryable: true);
        }

        using CancellationTokenSource time = new(limit, clock);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, time.Token);
        try
        {
            // Also one that ignores its token ends for its caller.
            JsonElement result = await calls.InvokeAsync(method, arguments, either.Token).AsTask().WaitAsync(either.Token);
            return new RemoteCallResult { Result = result };
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return Failed("cancelled", "The caller has gone.", retryable: false);
        }
        catch (OperationCanceledException) when (time.IsCancellationRequested)
        {
            return Failed("timeout", $"'{method}' did not end within {Duration.Format(limit)}; whether it was done is not known.", retryable: false);
        }
        catch (ArgumentException e)
        {
            return Failed("bad_args", redactor.ErrorText(e.Message), retryable: false);
        }
        catch (Exception e)
        {
            bool retryable = e is DeliveryException { Failure: DeliveryFailure.Transient or DeliveryFailure.RateLimited };
            return Failed("adapter_error", redactor.ErrorText(e is DeliveryException ? e.Message : $"{e.GetType().Name}: {e.Message}"), retryable);
        }
    }

    private static RemoteCallResult Failed(string code, string message, bool retryable) => new() { Error = new RemoteCallError(code, message, retryable) };
}
