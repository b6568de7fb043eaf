using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>What <c>POST …/communicators/{name}/call</c> is asked.</summary>
internal sealed record CallRequest(string Method, JsonElement? Args, int? TimeoutMs);

/// <summary>What it answers.</summary>
internal sealed record CallView(bool Ok, JsonElement? Result, RemoteCallError? Error);

/// <summary>Calls a method of a communicator (GW-12).</summary>
internal sealed class CallEndpoint(IRuntimeView runtime, OperatorAction action)
{
    private const int MaxBody = 1 << 20;
    private const int LongestMs = 600_000;

    private static readonly JsonElement NoArguments = JsonElement.Parse("{}");

    public async Task CallAsync(HttpContext context)
    {
        RequestBody body = await RequestBody.ReadOptionalAsync(context.Request, MaxBody, new CallRequest("", null, null), CallJson.Default.CallRequest, context.RequestAborted);
        if (body is not RequestBody.Value<CallRequest> { Read: { } request })
        {
            await ((RequestBody.Refused)body).ToProblem().WriteAsync(context);
            return;
        }

        if (string.IsNullOrEmpty(request.Method) || request.TimeoutMs is < 1 or > LongestMs)
        {
            await new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = $"'method' is required, and 'timeoutMs' is between 1 and {LongestMs}." }.WriteAsync(context);
            return;
        }

        string name = context.Request.RouteValues["communicator"] as string ?? "";
        JsonObject detail = new() { ["method"] = request.Method };
        await action.DoAsync(
            context,
            "communicator.call",
            $"{name} {request.Method}",
            async token =>
            {
                RemoteCallResult result = await runtime.CallAsync(name, request.Method, request.Args ?? NoArguments, request.TimeoutMs is { } time ? TimeSpan.FromMilliseconds(time) : null, token);
                (detail["ok"], detail["error"]) = (result.Ok, result.Error?.Code);
                return new CallView(result.Ok, result.Result, result.Error);
            },
            CallJson.Default.CallView,
            view => view.Error?.Code == "timeout" ? StatusCodes.Status504GatewayTimeout : StatusCodes.Status200OK,
            detail: detail);
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CallRequest))]
[JsonSerializable(typeof(CallView))]
internal sealed partial class CallJson : JsonSerializerContext;
