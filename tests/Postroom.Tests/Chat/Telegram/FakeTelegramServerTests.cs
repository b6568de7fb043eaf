using System.Text;
using System.Text.Json;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>The fake refuses what the service refuses, in its words.</summary>
public sealed class FakeTelegramServerTests : IAsyncDisposable
{
    private readonly ManualClock _clock = new();
    private readonly FakeTelegramServer _server;
    private readonly HttpClient _client = new();

    public FakeTelegramServerTests()
    {
        _server = new FakeTelegramServer(_clock);
        _server.AddChat(7);
        _server.AddChat(-100);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("sendMessage", """{"chat_id":7,"text":""}""", 400, "Bad Request: message text is empty")]
    [InlineData("sendMessage", """{"chat_id":8,"text":"x"}""", 400, "Bad Request: chat not found")]
    [InlineData("sendMessage", """{"text":"x"}""", 400, "Bad Request: chat_id is empty")]
    [InlineData("sendMessage", """{"chat_id":7,"text":"<b>x","parse_mode":"HTML"}""", 400, "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"")]
    [InlineData("sendMessage", """{"chat_id":7,"text":"<p>x</p>","parse_mode":"HTML"}""", 400, "Bad Request: can't parse entities: Unsupported start tag \"p\" at byte offset 0")]
    [InlineData("sendMessage", """{"chat_id":7,"text":"<b><i>x</b></i>","parse_mode":"HTML"}""", 400, "Bad Request: can't parse entities: Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"")]
    [InlineData("sendMessage", """{"chat_id":7,"text":"x","message_thread_id":5}""", 400, "Bad Request: message thread not found")]
    [InlineData("sendMessage", """{"chat_id":7,"text":"x","reply_parameters":{"message_id":999}}""", 400, "Bad Request: message to be replied not found")]
    [InlineData("sendMessage", """{"chat_id":7,"text":"x","reply_markup":{"inline_keyboard":[[{"text":"a","callback_data":""}]]}}""", 400, "Bad Request: BUTTON_DATA_INVALID")]
    [InlineData("sendPhoto", """{"chat_id":7}""", 400, "Bad Request: there is no photo in the request")]
    [InlineData("setWebhook", """{"url":"http://x.org"}""", 400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")]
    [InlineData("nonsense", "{}", 404, "Not Found")]
    public async Task A_wrong_call_is_refused(string method, string body, int status, string description)
    {
        (int Status, string Description, int? RetryAfter) answer = await CallAsync(method, body);

        Assert.Equal((status, description), (answer.Status, answer.Description));
    }

    [Theory]
    [InlineData("1:x", 401, "Unauthorized")]
    [InlineData("x", 404, "Not Found")]
    public async Task A_wrong_token_is_refused(string token, int status, string description)
    {
        (int Status, string Description, int? RetryAfter) answer = await CallAsync("getMe", "{}", token);

        Assert.Equal((status, description), (answer.Status, answer.Description));
    }

    [Fact]
    public async Task A_text_of_4096_units_is_taken_after_its_tags_are_read_and_a_longer_one_is_not()
    {
        string whole = JsonSerializer.Serialize(new Dictionary<string, string> { ["chat_id"] = "7", ["parse_mode"] = "HTML", ["text"] = $"<b>{new string('x', 4_095)}&lt;</b>" });
        string longer = JsonSerializer.Serialize(new Dictionary<string, string> { ["chat_id"] = "7", ["text"] = new string('x', 4_097) });

        Assert.Equal(200, (await CallAsync("sendMessage", whole)).Status);
        Assert.Equal("Bad Request: message is too long", (await CallAsync("sendMessage", longer)).Description);
    }

    [Fact]
    public async Task Limits_hold_for_a_chat_and_a_group_and_end_when_the_service_said()
    {
        _server.HasLimits = true;
        async Task<int?> SendAsync(int chat) => (await CallAsync("sendMessage", $$"""{"chat_id":{{chat}},"text":"x"}""")).RetryAfter;

        Assert.Equal([null, null, null, 3], [await SendAsync(7), await SendAsync(7), await SendAsync(7), await SendAsync(7)]);
        _clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Null(await SendAsync(7));
        for (int i = 0; i < 20; i++)
        {
            Assert.Null(await SendAsync(-100));
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(40, await SendAsync(-100));
    }

    [Fact]
    public async Task A_second_poll_ends_the_first_and_an_offset_confirms()
    {
        FakeTelegramChat chat = _server.AddChat(9);
        Task<(int Status, string Description, int? RetryAfter)> first = CallAsync("getUpdates", """{"timeout":50}""");
        await TelegramRun.WaitUntilAsync(() => _server.IsPolled);

        Task<(int Status, string Description, int? RetryAfter)> second = CallAsync("getUpdates", """{"timeout":50}""");
        Assert.Equal(409, (await first).Status);
        long update = _server.Say(chat, 1, "hello");
        Assert.Equal(200, (await second).Status);
        Assert.Single(_server.Unconfirmed);
        Assert.Equal(200, (await CallAsync("getUpdates", $$"""{"offset":{{update + 1}},"timeout":0}""")).Status);
        Assert.Empty(_server.Unconfirmed);
    }

    [Fact]
    public async Task A_poll_that_another_one_ends_before_it_waits_is_answered_and_does_not_go_round()
    {
        TimeSpan patience = TimeSpan.FromSeconds(20);
        GateClock clock = new();
        FakeTelegramServer server = new(clock);
        Task<HttpResponseMessage> second;
        try
        {
            Task<HttpResponseMessage> first = PollAsync(server);
            await clock.Reached.Task.WaitAsync(patience, TestContext.Current.CancellationToken);
            second = PollAsync(server);
            await clock.ReachedAgain.Task.WaitAsync(patience, TestContext.Current.CancellationToken);
            clock.Go.SetResult();
            using HttpResponseMessage ended = await first.WaitAsync(patience, TestContext.Current.CancellationToken);

            Assert.Equal(System.Net.HttpStatusCode.Conflict, ended.StatusCode);
        }
        finally
        {
            await server.DisposeAsync().AsTask().WaitAsync(patience, CancellationToken.None);
        }

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => second);
    }

    private async Task<HttpResponseMessage> PollAsync(FakeTelegramServer server)
    {
        using StringContent content = new("""{"timeout":50}""", Encoding.UTF8, "application/json");
        return await _client.PostAsync(new Uri(server.Address, $"/bot{server.Token}/getUpdates"), content, TestContext.Current.CancellationToken);
    }

    private async Task<(int Status, string Description, int? RetryAfter)> CallAsync(string method, string body, string? token = null)
    {
        using StringContent content = new(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await _client.PostAsync(new Uri(_server.Address, $"/bot{token ?? _server.Token}/{method}"), content, TestContext.Current.CancellationToken);
        using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        int? wait = answer.RootElement.TryGetProperty("parameters", out JsonElement parameters) ? parameters.GetProperty("retry_after").GetInt32() : null;
        return ((int)response.StatusCode, answer.RootElement.TryGetProperty("description", out JsonElement description) ? description.GetString()! : "", wait);
    }

    /// <summary>Holds the first timer back until it is told to go on.</summary>
    private sealed class GateClock : TimeProvider
    {
        private int _timers;

        public TaskCompletionSource Reached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource ReachedAgain { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (Interlocked.Increment(ref _timers) == 1)
            {
                Reached.SetResult();
                Go.Task.Wait(TimeSpan.FromSeconds(30), CancellationToken.None);
            }
            else
            {
                ReachedAgain.TrySetResult();
            }

            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
