using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The health of everything (HL-4).</summary>
internal sealed record HealthView(string Status, bool Live, bool Ready, IReadOnlyList<HealthCheckView> Checks);

/// <summary>The health of one part.</summary>
internal sealed record HealthCheckView(string Name, string Status, string? Text, IReadOnlyDictionary<string, string> Data, double DurationMs);

/// <summary><c>/health/live</c>, <c>/health/ready</c> for probes and <c>/health</c> for people (HL-3, HL-4).</summary>
internal sealed class HealthEndpoints(IRuntimeView runtime, TimeProvider clock)
{
    /// <summary>Where a probe asks whether the process lives.</summary>
    public const string LivePath = "/health/live";

    /// <summary>Where a probe asks whether the runtime takes work.</summary>
    public const string ReadyPath = "/health/ready";

    // Probes are answered within a second, whatever a check does.
    private static readonly TimeSpan ProbeTime = TimeSpan.FromMilliseconds(900);

    /// <summary>Answers the two probes before routing, whose tables are then built by the first request that needs them.</summary>
    public RequestDelegate ProbesFirst(RequestDelegate next) => context =>
    {
        string? path = HttpMethods.IsGet(context.Request.Method) ? context.Request.Path.Value : null;
        return string.Equals(path, ReadyPath, StringComparison.OrdinalIgnoreCase) ? ReadyAsync(context)
            : string.Equals(path, LivePath, StringComparison.OrdinalIgnoreCase) ? LiveAsync(context)
            : next(context);
    };

    /// <summary>200, or 503 when only a new process can help.</summary>
    public Task LiveAsync(HttpContext context)
    {
        bool live = runtime.State != RuntimeState.Faulted;
        return AnswerAsync(context, live, live ? "live" : "faulted");
    }

    /// <summary>200 only while the runtime runs and nothing it needs for that is broken.</summary>
    public async Task ReadyAsync(HttpContext context)
    {
        (bool ready, string word) = await IsReadyAsync(context.RequestAborted);
        await AnswerAsync(context, ready, word);
    }

    /// <summary>Every check, with its words and figures.</summary>
    public async Task AllAsync(HttpContext context)
    {
        HealthReport report = await runtime.CheckHealthAsync(HealthViews.Status, context.RequestAborted);
        (bool ready, _) = await IsReadyAsync(context.RequestAborted);
        HealthView view = new(
            Word(report.State),
            runtime.State != RuntimeState.Faulted,
            ready,
            [.. report.Checks.Select(check => new HealthCheckView(check.Name, Word(check.Result.State), check.Result.Text, check.Result.Data, Math.Round(check.Duration.TotalMilliseconds, 1)))]);
        context.Response.StatusCode = StatusOf(view.Live && report.State != HealthState.Unhealthy);
        await ApiAnswer.WriteAsync(context, view, HealthJson.Default.HealthView);
    }

    private async ValueTask<(bool Ready, string Word)> IsReadyAsync(CancellationToken cancellationToken)
    {
        if (runtime.State != RuntimeState.Running)
        {
            return (false, Explaining.Why.Word(runtime.State));
        }

        try
        {
            HealthReport report = await runtime.CheckHealthAsync(HealthViews.Ready, cancellationToken).AsTask().WaitAsync(ProbeTime, clock, cancellationToken);
            return (report.State != HealthState.Unhealthy, report.State == HealthState.Healthy ? "ready" : Word(report.State));
        }
        catch (TimeoutException)
        {
            return (false, "unhealthy");
        }
    }

    private static string Word(HealthState state) => Explaining.Why.Word(state);

    private static int StatusOf(bool good) => good ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;

    /// <summary>The answer of a probe: one of our own words, which needs no escapes.</summary>
    private static Task AnswerAsync(HttpContext context, bool good, string word)
    {
        context.Response.StatusCode = StatusOf(good);
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync($$"""{"status":"{{word}}"}""", context.RequestAborted);
    }
}

[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HealthView))]
internal sealed partial class HealthJson : JsonSerializerContext;
