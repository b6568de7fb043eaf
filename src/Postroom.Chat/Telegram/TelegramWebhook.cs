using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>Checks and takes the requests of the service (TG-11).</summary>
internal sealed class TelegramWebhook(Secret secret, TelegramIntake intake)
{
    /// <summary>The longest body, in bytes.</summary>
    public const int MaxBody = 1 << 20;

    private const string SecretHeader = "X-Telegram-Bot-Api-Secret-Token";
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    /// <summary>Takes one request; answers 200 once what it says is stored.</summary>
    /// <param name="call">The request.</param>
    /// <param name="api">Answers presses.</param>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    public async ValueTask<WebhookReply> ReceiveAsync(WebhookCall call, TelegramApi api, CancellationToken cancellationToken)
    {
        if (call.Method != "POST")
        {
            return Problem(405, "Updates are posted.");
        }

        if (!IsProved(call))
        {
            return Problem(401, "The secret token is missing or wrong.");
        }

        if (call.Body.Length > MaxBody)
        {
            return Problem(413, "The body is too long.");
        }

        try
        {
            using JsonDocument update = JsonDocument.Parse(call.Body, Strict);
            _ = await intake.TakeAsync([update.RootElement.Clone()], api, cancellationToken);
            return new WebhookReply(200, "{}");
        }
        catch (JsonException)
        {
            return Problem(400, "The body is no update.");
        }
        catch (IntakeClosedException e)
        {
            return Problem(503, e.Message);
        }
    }

    /// <summary>Whether a request has the secret.</summary>
    public bool IsProved(WebhookCall call)
    {
        string given = call.Headers.FirstOrDefault(header => header.Key.Equals(SecretHeader, StringComparison.OrdinalIgnoreCase)).Value ?? "";
        return !secret.IsEmpty && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(Encoding.UTF8.GetBytes(secret.Reveal())));
    }

    private static WebhookReply Problem(int status, string text) => new(status, $"{{\"error\":{JsonSerializer.Serialize(text, TelegramJson.Default.String)}}}");
}
