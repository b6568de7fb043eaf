using System.Globalization;
using System.Text;

namespace Postroom.Benchmarks.Http;

/// <summary>The request that every HTTP line gets: a webhook message of 256 bytes.</summary>
internal static class WebhookRequest
{
    /// <summary>A token, so that callers are known and no limit per address applies.</summary>
    public const string Token = "benchmark";

    private const int BodyBytes = 256;

    /// <summary>The whole request, head and body.</summary>
    public static byte[] Make(string host, int sender, string channel)
    {
        string body = Body(sender, channel);
        return Encoding.ASCII.GetBytes(
            $"POST /webhook HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {Token}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }

    /// <summary>The body. Senders differ, so that messages do not queue behind one another.</summary>
    public static string Body(int sender, string channel)
    {
        string start = string.Create(CultureInfo.InvariantCulture, $$"""{"sender":"49{{sender:0000000000}}","msg_type":"chat","client_type":"{{channel}}","metadata":{"city":"London"},"raw_msg":" """).TrimEnd();
        return $"{start}{new string('x', BodyBytes - start.Length - 2)}\"}}";
    }
}
