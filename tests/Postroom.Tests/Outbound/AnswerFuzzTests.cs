using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Chat;
using Postroom.Mail;
using Xunit;

namespace Postroom.Tests.Outbound;

/// <summary>Answers of services that are cut, mixed up and made up: each is read or refused with the one exception that its reader promises.</summary>
public sealed class AnswerFuzzTests
{
    /// <summary>More in a longer run: <c>POSTROOM_FUZZ_ROUNDS=1000000</c>.</summary>
    private static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("POSTROOM_FUZZ_ROUNDS"), out int rounds) ? rounds : 5_000;

    private static readonly string[] SmtpAnswers =
    [
        "220 mail.example.org ESMTP\r\n", "250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-AUTH PLAIN LOGIN\r\n250 SMTPUTF8\r\n", "550 5.1.1 unknown\r\n", "421 4.3.2 closing\r\n", "354 go\r\n", "235 2.7.0 ok\r\n",
    ];

    private static readonly string[] TelegramTexts =
    [
        """{"ok":true,"result":{"message_id":7,"chat":{"id":1,"type":"private"},"date":1800000000,"text":"hello"}}""",
        """{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}""",
        """{"ok":false,"error_code":400,"description":"group chat was upgraded","parameters":{"migrate_to_chat_id":-1001234567890}}""",
        """{"update_id":5,"message":{"message_id":9,"date":1800000000,"chat":{"id":7,"type":"private"},"from":{"id":7,"first_name":"Ann"},"text":"hello","photo":[{"file_id":"x","file_unique_id":"y","width":1,"height":1}]}}""",
        """{"update_id":6,"callback_query":{"id":"4","from":{"id":7},"data":"yes","message":{"message_id":9,"date":1800000000,"chat":{"id":7,"type":"private"}}}}""",
    ];

    [Fact]
    public async Task Answers_of_smtp_servers_are_read_or_refused_and_never_without_end()
    {
        Random chance = new(11);
        for (int round = 0; round < Rounds; round++)
        {
            byte[] bytes = Mutate(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 1 + chance.Next(3)).Select(_ => SmtpAnswers[chance.Next(SmtpAnswers.Length)]))), chance);
            using MemoryStream stream = new(bytes);
            SmtpReplyReader reader = new("mail.example.org:587", stream);
            try
            {
                for (int answers = 0; ; answers++)
                {
                    SmtpReply reply = await reader.ReadAsync(isSecret: false, TestContext.Current.CancellationToken);
                    Assert.InRange(reply.Code, 200, 599);
                    Assert.DoesNotContain(reply.ToString(), char.IsControl);
                    Assert.True(answers <= bytes.Length, $"Round {round}: more answers than bytes.");
                }
            }
            catch (MailConnectionException e)
            {
                Assert.DoesNotContain(e.Message, char.IsControl);
            }
        }
    }

    [Fact]
    public void Answers_and_updates_of_telegram_are_read_or_refused()
    {
        Random chance = new(12);
        TelegramCommunicatorConfig config = new()
        {
            Type = TelegramCommunicatorConfig.Kind,
            Token = new Secret("1:canary"),
            Chats = new Dictionary<string, TelegramChatConfig> { ["default"] = new() { ChatId = "7", CommandAuthorized = true } },
        };
        TelegramAccess access = new(config, new TelegramMoves(() => null, NullLogger.Instance));
        HttpStatusCode[] codes = [HttpStatusCode.OK, HttpStatusCode.BadRequest, HttpStatusCode.TooManyRequests, HttpStatusCode.BadGateway, HttpStatusCode.Found];
        for (int round = 0; round < Rounds; round++)
        {
            byte[] bytes = Mutate(Encoding.UTF8.GetBytes(TelegramTexts[chance.Next(TelegramTexts.Length)]), chance);
            try
            {
                _ = TelegramAnswers.Read("sendMessage", codes[chance.Next(codes.Length)], bytes);
            }
            catch (TelegramException e)
            {
                Assert.True(e.RetryAfter is null || e.RetryAfter >= TimeSpan.Zero, $"Round {round}: {e.RetryAfter}");
            }

            try
            {
                using JsonDocument update = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 32 });
                _ = TelegramUpdate.Read(update.RootElement, "shop", access);
            }
            catch (JsonException)
            {
                // The poll reads the answer as a whole; this part of it is none.
            }
        }
    }

    /// <summary>Changes, drops, repeats and inserts a few bytes, or swaps a value for one of another type.</summary>
    private static byte[] Mutate(byte[] bytes, Random chance)
    {
        List<byte> changed = [.. bytes];
        string[] values = ["null", "true", "-1", "1e999", "99999999999999999999", "\"x\"", "[]", "{}", "\r\n", "\u0000", "250-"];
        for (int times = chance.Next(4); times > 0 && changed.Count > 1; times--)
        {
            int at = chance.Next(changed.Count);
            switch (chance.Next(5))
            {
                case 0:
                    changed[at] = (byte)chance.Next(256);
                    break;
                case 1:
                    changed.RemoveRange(at, Math.Min(changed.Count - at, 1 + chance.Next(8)));
                    break;
                case 2:
                    changed.InsertRange(at, changed.GetRange(at, Math.Min(changed.Count - at, 1 + chance.Next(64))));
                    break;
                case 3:
                    changed.InsertRange(at, Encoding.UTF8.GetBytes(values[chance.Next(values.Length)]));
                    break;
                default:
                    int colon = changed.IndexOf((byte)':', at);
                    int end = colon < 0 ? -1 : changed.FindIndex(colon, one => one is (byte)',' or (byte)'}');
                    if (end > colon && colon >= 0)
                    {
                        changed.RemoveRange(colon + 1, end - colon - 1);
                        changed.InsertRange(colon + 1, Encoding.UTF8.GetBytes(values[chance.Next(8)]));
                    }

                    break;
            }
        }

        return [.. changed];
    }
}
