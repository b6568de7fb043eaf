using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>What requests see of a hot restart (SPEC RS-9, WH-8): in the new generation they wait until it is ready, and in the old one their connection ends behind the answer.</summary>
internal sealed class Continuity(IRuntimeView runtime, TimeProvider clock)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Goes around everything but the probes, which are answered at once.</summary>
    public RequestDelegate Around(RequestDelegate next) => context =>
    {
        if (runtime.IsBeingReplaced)
        {
            context.Response.Headers.Connection = "close"; // the next request of this client goes to the next generation by itself
        }

        return runtime.Opened.IsCompleted ? next(context) : WaitAsync(context, next);
    };

    /// <summary>Waits until the runtime is ready; a request that has waited long enough is answered by whatever state there is then.</summary>
    private async Task WaitAsync(HttpContext context, RequestDelegate next)
    {
        await runtime.Opened.WaitAsync(Patience, clock, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await next(context);
    }
}
