using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Postroom.ControlPlane;

/// <summary>The codes of CP-7: what a program may react to; texts are for people.</summary>
internal static class ProblemCode
{
    public const string BadRequest = "bad_request";
    public const string Unauthorized = "unauthorized";
    public const string Forbidden = "forbidden";
    public const string NotFound = "not_found";
    public const string Conflict = "conflict";
    public const string ConfirmCount = "confirm_count";
    public const string Gone = "gone";
    public const string TooLarge = "too_large";
    public const string UnsupportedMedia = "unsupported_media";
    public const string Misdirected = "misdirected";
    public const string InvalidConfig = "invalid_config";
    public const string PreflightFailed = "preflight_failed";
    public const string RateLimited = "rate_limited";
    public const string DryRunUnsupported = "dry_run_unsupported";
    public const string Draining = "draining";
    public const string StoreUnavailable = "store_unavailable";
    public const string RestartUnavailable = "restart_unavailable";
    public const string Timeout = "timeout";
    public const string DeliveryFailed = "delivery_failed";
    public const string InternalError = "internal_error";
}

/// <summary>An error answer as <c>application/problem+json</c> (CP-7).</summary>
internal sealed record Problem
{
    /// <summary>The status in words.</summary>
    public string Title => ReasonPhrases.GetReasonPhrase(Status);

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What happened and what to do, safe to show to the caller.</summary>
    public required string Detail { get; init; }

    /// <summary>One of <see cref="ProblemCode"/>.</summary>
    public required string Code { get; init; }

    /// <summary>Finds the log line of this answer.</summary>
    public string Id { get; init; } = NewId();

    /// <summary>Per field what is wrong with it; null when the problem is not one of fields.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    /// <summary>The number that a confirmation has to name; null when there is none to confirm.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Count { get; init; }

    /// <summary>Seconds after which a repetition makes sense; null to say nothing.</summary>
    [JsonIgnore]
    public int? RetryAfterSeconds { get; init; }

    /// <summary>The store is not open yet.</summary>
    public static Problem Opening => new() { Status = 503, Code = ProblemCode.StoreUnavailable, Detail = "The runtime is starting; the store is not open yet.", RetryAfterSeconds = 1 };

    /// <summary>An id to write into the log and to tell the caller.</summary>
    public static string NewId() => RandomNumberGenerator.GetHexString(16, lowercase: true);

    /// <summary>Answers with this problem. Does nothing when the answer has begun.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        if (context.Response.HasStarted)
        {
            return;
        }

        HttpResponse response = context.Response;
        response.StatusCode = Status;
        response.ContentType = "application/problem+json";
        response.Headers.CacheControl = "no-store";
        RetryAfter.Set(response, RetryAfterSeconds);
        await ApiAnswer.SerializeAsync(context, this, HttpJson.Default.Problem);
    }
}

/// <summary>The answers of <c>POST /webhook</c> (WH-2).</summary>
/// <param name="Success">True when the message is stored.</param>
/// <param name="Message">Empty on success: a bridge passes the text on to its user.</param>
/// <param name="Data">What was stored; null on failure.</param>
internal sealed record WebhookAnswer(bool Success, string Message, WebhookData? Data)
{
    /// <summary>The message is stored, now or by an earlier request. Call it after the commit.</summary>
    public static Task WriteStoredAsync(HttpContext context, string entryId, bool duplicate) =>
        new WebhookAnswer(true, "", new WebhookData(entryId, duplicate)).WriteAsync(context, StatusCodes.Status200OK, null);

    /// <summary>Nothing is stored.</summary>
    /// <param name="context">The request.</param>
    /// <param name="status">400 or above.</param>
    /// <param name="reason">A generic text that is safe to show; details belong into the log under <paramref name="id"/> (WH-10).</param>
    /// <param name="id">Where the detail is found in the log; null when there is none.</param>
    /// <param name="retryAfterSeconds">For 429 and 503; null to say nothing.</param>
    public static Task WriteErrorAsync(HttpContext context, int status, string reason, string? id = null, int? retryAfterSeconds = null)
    {
        string text = id is null ? $"Error processing webhook: {reason}" : $"Error processing webhook: {reason} (id {id})";
        return new WebhookAnswer(false, text, null).WriteAsync(context, status, retryAfterSeconds);
    }

    private async Task WriteAsync(HttpContext context, int status, int? retryAfterSeconds)
    {
        HttpResponse response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        RetryAfter.Set(response, retryAfterSeconds);
        await ApiAnswer.SerializeAsync(context, this, HttpJson.Default.WebhookAnswer);
    }
}

/// <summary>What was stored for a webhook.</summary>
/// <param name="EntryId">The message's number.</param>
/// <param name="Duplicate">True when an earlier request had stored it.</param>
internal sealed record WebhookData([property: JsonPropertyName("entry_id")] string EntryId, bool Duplicate);

/// <summary>The <c>Retry-After</c> header.</summary>
internal static class RetryAfter
{
    /// <summary>Sets it, at least one second; null leaves it out.</summary>
    public static void Set(HttpResponse response, int? seconds)
    {
        if (seconds is { } value)
        {
            response.Headers.RetryAfter = Math.Max(1, value).ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(WebhookAnswer))]
[JsonSerializable(typeof(string))]
internal sealed partial class HttpJson : JsonSerializerContext;
