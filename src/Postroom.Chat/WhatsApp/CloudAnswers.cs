using System.Globalization;
using System.Net;

namespace Postroom.Chat;

/// <summary>What an answer of the Cloud API means for a delivery (WA-4). Safe for concurrent use.</summary>
/// <param name="http">Masks what is shown of an answer.</param>
/// <param name="clock">When a wait ends.</param>
internal sealed class CloudAnswers(ServiceHttp http, TimeProvider clock)
{
    private const int PairRate = 131056;
    private const int AppRate = 4; // so many calls of the app in an hour

    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(60);

    private readonly PairPauses _pauses = new(clock);

    /// <summary>Returns when the service took it.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="recipient">Who was to get it, in digits; null for a request to nobody.</param>
    /// <exception cref="DeliveryException">It did not; the failure is classified.</exception>
    public void ThrowUnlessTaken(ServiceAnswer answer, string? recipient)
    {
        if (answer.Succeeded)
        {
            if (recipient is not null)
            {
                _pauses.Reset(recipient);
            }

            return;
        }

        int code = int.TryParse(JsonText.Of(answer.Body, "error", "code"), NumberStyles.None, CultureInfo.InvariantCulture, out int told) ? told : 0;
        DeliveryFailure failure = Classify(answer, code, recipient);
        string subcode = JsonText.Of(answer.Body, "error", "error_subcode") is { } sub ? $", subcode {Names.Shorten(sub, 16)}" : "";
        string title = failure is DeliveryFailure.Unauthorized
            ? "The access token is wrong, expired or revoked; make a new one and set accessToken." // what Meta writes here repeats the token
            : http.Shown(JsonText.Of(answer.Body, "error", "error_data", "details") is { Length: > 0 } details
                ? $"{JsonText.Of(answer.Body, "error", "message")}: {details}"
                : JsonText.Of(answer.Body, "error", "message") ?? "no reason told");
        throw new DeliveryException(failure, $"WhatsApp Cloud API answered {answer.Code}{(code == 0 ? "" : $" with code {code}")}{subcode}: {title}");
    }

    private DeliveryFailure Classify(ServiceAnswer answer, int code, string? recipient)
    {
        return (code, answer.Code) switch
        {
            (190, _) or (_, (int)HttpStatusCode.Unauthorized) => new DeliveryFailure.Unauthorized(),
            // The token may not do it, which a person mends; what is wrong with one message has a code of its own.
            (0 or 10 or (>= 200 and < 300), (int)HttpStatusCode.Forbidden) => new DeliveryFailure.Unauthorized(),
            (PairRate, _) when recipient is not null => new DeliveryFailure.RateLimited(clock.GetUtcNow() + _pauses.Next(recipient)),
            (PairRate or AppRate or 130429 or 80007, _) or (_, (int)HttpStatusCode.TooManyRequests) => new DeliveryFailure.RateLimited(
                clock.GetUtcNow() + (answer.RetryAfter ?? DefaultWait), Lane: true, IsTold: answer.RetryAfter is not null),
            (_, 502 or 503 or 504) => new DeliveryFailure.Transient(ServiceWide: true),
            (131000, _) or (_, >= 500) => new DeliveryFailure.Transient(),
            // Nobody follows a redirect: the address in the settings is wrong, and messages wait until it is mended.
            (_, < 400) => new DeliveryFailure.Transient(ServiceWide: true),
            _ => new DeliveryFailure.Refused(code == 0 ? $"http_{answer.Code.ToString(CultureInfo.InvariantCulture)}" : code.ToString(CultureInfo.InvariantCulture)),
        };
    }
}
