using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;

namespace Postroom.Chat;

/// <summary>Uploads files to the Cloud API and fetches those that came in (WA-6, WA-10).</summary>
/// <param name="http">The service.</param>
/// <param name="answers">What its answers mean.</param>
/// <param name="graphUrl">Where it is, without a slash at the end.</param>
/// <param name="phoneNumberId">Who uploads.</param>
internal sealed class CloudMedia(ServiceHttp http, CloudAnswers answers, string graphUrl, string phoneNumberId)
{
    // Where Meta keeps files; the access token goes along, so it goes nowhere else.
    private static readonly string[] Hosts = [".fbsbx.com", ".facebook.com", ".whatsapp.net", ".fbcdn.net"];

    private readonly Uri _graph = new(graphUrl);

    /// <summary>Whether a text is an id of a file, and so can stand in an address.</summary>
    public static bool IsId([NotNullWhen(true)] string? text) => text is { Length: > 0 and <= 128 } && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');

    /// <summary>A hash as a service writes it, hex or base64, in lower-case hex; null when it is neither.</summary>
    public static string? HashOf(string? text)
    {
        if (text is { Length: 64 } && text.All(char.IsAsciiHexDigit))
        {
            return text.ToLowerInvariant();
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        return text is { Length: <= 64 } && Convert.TryFromBase64String(text, hash, out int length) && length == hash.Length ? Convert.ToHexStringLower(hash) : null;
    }

    /// <summary>Uploads a file; nobody sees it yet, so that a repeat does no harm.</summary>
    /// <returns>The service's id of it.</returns>
    /// <exception cref="DeliveryException">The service did not take it; never uncertain.</exception>
    public async ValueTask<string> UploadAsync(CloudPart.Media part, CancellationToken cancellationToken)
    {
        using ReadOnlyMemoryContent file = new(part.File.Data!.Value);
        file.Headers.ContentType = new MediaTypeHeaderValue(part.Type.ContentType);
        using StringContent product = new("whatsapp");
        using StringContent type = new(part.Type.ContentType);
        // The name in the header is ASCII of our own: the real one travels in the message.
        using MultipartFormDataContent form = new() { { product, "messaging_product" }, { type, "type" }, { file, "file", "file" + MediaTypes.ExtensionOf(part.Type.ContentType) } };
        ServiceAnswer answer = await http.ExchangeAsync(HttpMethod.Post, $"{graphUrl}/{phoneNumberId}/media", form, context: null, cancellationToken);
        answers.ThrowUnlessTaken(answer, recipient: null);
        return JsonText.Of(answer.Body, "id") is { } id && IsId(id)
            ? id
            : throw new DeliveryException(new DeliveryFailure.Transient(), "WhatsApp Cloud API took a file without giving an id for it.");
    }

    /// <summary>Fetches a file that came in.</summary>
    /// <exception cref="DeliveryException">The service does not give it, or not as it described it.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken)
    {
        if (!IsId(attachment.Reference))
        {
            throw new DeliveryException(new DeliveryFailure.Refused("no_reference"), $"File '{attachment.Name}' has no id of WhatsApp's, so it cannot be fetched.");
        }

        ServiceAnswer answer = await http.ExchangeAsync(HttpMethod.Get, $"{graphUrl}/{attachment.Reference}?phone_number_id={phoneNumberId}", content: null, context: null, cancellationToken);
        answers.ThrowUnlessTaken(answer, recipient: null);
        if (!Uri.TryCreate(JsonText.Of(answer.Body, "url"), UriKind.Absolute, out Uri? url) || !IsTrusted(url))
        {
            throw new DeliveryException(new DeliveryFailure.Refused("media_url"), $"WhatsApp Cloud API keeps file '{attachment.Name}' at an address that is not Meta's, where the access token is not sent.");
        }

        if (long.TryParse(JsonText.Of(answer.Body, "file_size"), NumberStyles.None, CultureInfo.InvariantCulture, out long size) && size > Attachment.MaxLength)
        {
            throw new DeliveryException(new DeliveryFailure.Refused("too_long"), $"File '{attachment.Name}' has {size} bytes; at most {Attachment.MaxLength} are taken. Ask the sender for a smaller one.");
        }

        ServiceAnswer file = await http.ExchangeAsync(HttpMethod.Get, url.AbsoluteUri, content: null, context: null, cancellationToken, Attachment.MaxLength);
        answers.ThrowUnlessTaken(file, recipient: null);
        string? expected = attachment.Sha256 ?? HashOf(JsonText.Of(answer.Body, "sha256"));
        return file.IsWhole && (expected is null || string.Equals(expected, Convert.ToHexStringLower(SHA256.HashData(file.Body)), StringComparison.OrdinalIgnoreCase))
            ? file.Body
            : throw new DeliveryException(
                new DeliveryFailure.Transient(),
                file.IsWhole ? $"File '{attachment.Name}' does not have the hash that WhatsApp tells." : $"File '{attachment.Name}' was cut off, or is longer than {Attachment.MaxLength} bytes.");
    }

    private bool IsTrusted(Uri url)
    {
        return url.UserInfo.Length == 0
            && ((url.Scheme == _graph.Scheme && url.Authority == _graph.Authority)
                || (url.Scheme == Uri.UriSchemeHttps && url.IsDefaultPort && Array.Exists(Hosts, host => url.Host.EndsWith(host, StringComparison.OrdinalIgnoreCase))));
    }
}
