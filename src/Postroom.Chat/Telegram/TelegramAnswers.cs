using System.Net;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>What the answers and failures of the service mean (TG-8), in one place. Nothing waits here.</summary>
internal static class TelegramAnswers
{
    private const int LongestDescription = 300;
    private static readonly TimeSpan UnsaidWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    /// <summary>The result of an answer.</summary>
    /// <param name="method">The method that was called.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="body">The body, whole.</param>
    /// <exception cref="TelegramException">It is no success.</exception>
    public static JsonElement Read(string method, HttpStatusCode status, ReadOnlySpan<byte> body)
    {
        TelegramReply? reply = Parse(body);
        if (reply is { Ok: true } && (int)status is >= 200 and < 300)
        {
            return reply.Result;
        }

        // The HTTP status counts where the body is none of the service's own: a proxy answers in HTML.
        int code = reply is { Ok: false, ErrorCode: { } told } && (int)status < 502 ? told : (int)status;
        string description = Names.Shorten(reply?.Description ?? "", LongestDescription);
        throw Of(method, code, description, reply, body);
    }

    /// <summary>An answer that was cut after its status, or is longer than is read.</summary>
    /// <param name="method">The method that was called.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="tooLong">Whether it is longer than is read.</param>
    public static TelegramException Broken(string method, HttpStatusCode status, bool tooLong)
    {
        string what = tooLong ? $"is longer than {TelegramApi.MaxReply} bytes" : "was cut";
        TelegramException failed = Of(method, (int)status, $"The answer {what}.", null, []);
        return new TelegramException(failed.Failure, failed.Message) { IsTooLong = tooLong, Description = failed.Description };
    }

    /// <summary>A request without an answer.</summary>
    /// <param name="method">The method that was called.</param>
    /// <param name="error">Why; its text is not shown, since libraries put addresses into it.</param>
    /// <param name="left">Whether the request had begun to leave.</param>
    public static TelegramException NoAnswer(string method, Exception error, bool left)
    {
        string why = error switch
        {
            HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } http => http.HttpRequestError.ToString(),
            OperationCanceledException => "time-out",
            _ => error.GetType().Name,
        };
        return left
            ? new TelegramException(new DeliveryFailure.Uncertain(), $"Telegram did not answer {method} ({why}) after the request had left.")
            : new TelegramException(new DeliveryFailure.Transient(ServiceWide: true), $"Telegram was not reached for {method} ({why}); nothing had left.");
    }

    private static TelegramException Of(string method, int code, string description, TelegramReply? reply, ReadOnlySpan<byte> body)
    {
        string text = $"Telegram answered {method} with {code}{(description.Length > 0 ? $": {description}" : ".")}";
        DeliveryFailure failure = code switch
        {
            401 or 404 => new DeliveryFailure.Unauthorized(),
            429 or 409 => new DeliveryFailure.Transient(),
            >= 400 and < 500 => new DeliveryFailure.Refused(code.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            502 or 503 or 504 => new DeliveryFailure.Transient(ServiceWide: true),
            >= 500 => new DeliveryFailure.Transient(),
            >= 300 => new DeliveryFailure.Transient(ServiceWide: true), // Redirects are not followed: something stands between us and the service.

            // Status 200 without a result: HTML comes from somebody else; a part of an answer from the service, which then has done it.
            _ => body.TrimStart(" \r\n\t"u8).StartsWith("<"u8) ? new DeliveryFailure.Transient(ServiceWide: true) : new DeliveryFailure.Uncertain(),
        };
        return new TelegramException(failure, text)
        {
            Code = reply is null ? null : code,
            Description = description,
            RetryAfter = code == 429 ? Wait(reply) : null,
            MovedTo = reply?.Parameters?.MigrateToChatId,
        };
    }

    private static TimeSpan Wait(TelegramReply? reply)
    {
        return reply?.Parameters?.RetryAfter is { } seconds and >= 0 ? TimeSpan.FromSeconds(Math.Min(seconds, LongestWait.TotalSeconds)) : UnsaidWait;
    }

    private static TelegramReply? Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            return body.IsEmpty ? null : JsonSerializer.Deserialize(body, TelegramJson.Default.TelegramReply);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
