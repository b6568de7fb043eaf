using System.Diagnostics;
using System.Globalization;
using Postroom.Chat;
using Postroom.Testing;

namespace Postroom.Lanes;

/// <summary>How much of what a service allows was used.</summary>
/// <param name="Limit">The limit.</param>
/// <param name="Sends">How many sends were measured.</param>
/// <param name="Seconds">In how long.</param>
/// <param name="Used">The part of the allowed rate, 1 for all.</param>
/// <param name="TooMany">How many answers were 429.</param>
/// <param name="Most">How many such answers are allowed: an unknown limit is learnt from the first.</param>
public sealed record RateFigure(string Limit, int Sends, double Seconds, double Used, int TooMany, int Most = 0)
{
    /// <summary>The least part of an allowed rate that has to be used.</summary>
    public const double Least = 0.9;

    /// <summary>Whether it holds.</summary>
    public bool Holds => Used >= Least && TooMany <= Most;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Limit}: {Sends} in {Seconds:F1} s = {Used:P1} of the allowed rate, {TooMany} x 429");
}

/// <summary>Lanes against services that keep to their limits strictly: how much of them is used, and how often they say too many.</summary>
public static class Rates
{
    /// <summary>How often an unknown limit may be met again while the lane finds out where exactly it is.</summary>
    private const int MostTrials = 3;

    /// <summary>An unknown limit is measured for so many times longer: while it is learnt, refusals cost waits.</summary>
    private const int LearningTimes = 3;

    private const int WhatsAppPerSecond = 80;

    /// <summary>So many leave together to one chat of Telegram, after a pause.</summary>
    private const int Burst = 3;

    /// <summary>Measures the limits of Telegram: of the bot, of a chat and of a group, those of WhatsApp, and the way that a webhook with <c>Retry-After</c> is used.</summary>
    /// <param name="folder">Where stores are.</param>
    /// <param name="seconds">How long each is measured, at least; groups take four times as long.</param>
    /// <param name="latency">How long the services take for an answer.</param>
    public static async Task<IReadOnlyList<RateFigure>> RunAsync(string folder, int seconds, TimeSpan latency)
    {
        long[] all = [.. Enumerable.Range(1, 200).Select(id => (long)id)];
        return
        [
            await TelegramAsync(Path.Combine(folder, "bot"), "telegram bot 30/s, 200 chats", all, (30 * (seconds + 1) / 200) + 1, 30, latency, together: true),
            await TelegramAsync(Path.Combine(folder, "chat"), "telegram chat 1/s, 10 chats", all[..10], 3 + seconds, 1, latency),
            await TelegramAsync(Path.Combine(folder, "long"), "telegram chat 1/s, 10 chats, messages in 4 parts", all[..10], 1 + (seconds / 4), 1, latency, parts: 4),
            await TelegramAsync(Path.Combine(folder, "group"), "telegram group 20/min, 60 groups", [.. all[..60].Select(id => -id)], 2 + (4 * seconds / 3), 20 / 60.0, latency),
            await WhatsAppAsync(Path.Combine(folder, "whatsapp"), seconds, latency),
            await WebhookAsync(Path.Combine(folder, "webhook"), seconds, latency),
            await WebhookAsync(Path.Combine(folder, "limited"), seconds, latency, limit: true),
        ];
    }

    /// <summary>Sends to chats as fast as the lane lets, all of them waiting from the start.</summary>
    private static async Task<RateFigure> TelegramAsync(string folder, string name, long[] ids, int each, double perSecond, TimeSpan latency, int parts = 1, bool together = false)
    {
        await using FakeTelegramServer server = new() { HasLimits = true, Latency = latency };
        FakeTelegramChat[] chats = [.. ids.Select(id => server.AddChat(id))];
        await using MessageRuntime runtime = await LaneRuntime.StartAsync(folder, app => app.AddCommunicator(
            _ => new TelegramCommunicator("shop", new TelegramCommunicatorConfig { Type = TelegramCommunicatorConfig.Kind, Token = new Secret(server.Token), BaseUrl = server.Address })));
        string text = string.Join('\n', Enumerable.Range(1, parts == 1 ? 1 : parts * 30).Select(line => $"line {line.ToString(CultureInfo.InvariantCulture)}"));
        server.IsUp = false;
        await EmitAsync(runtime, "shop", [.. ids.Select(id => id.ToString(CultureInfo.InvariantCulture))], each, text);
        server.IsUp = true;
        await LaneRuntime.UntilAsync(async () => await runtime.OpenAsync() == 0, TimeSpan.FromMinutes(10), name);
        FakeTelegramCall[] sends = [.. server.Calls.Where(call => call.Method == "sendMessage")];
        int taken = chats.Sum(chat => chat.Messages.Count);
        return Figure(name, sends.GroupBy(send => together ? "" : send.Parameters["chat_id"], send => send.At), perSecond, sends.Length - taken);
    }

    /// <summary>The throughput of a WhatsApp number, with recipients enough that none gets too much.</summary>
    private static async Task<RateFigure> WhatsAppAsync(string folder, int seconds, TimeSpan latency)
    {
        await using FakeWhatsAppServer server = new() { HasLimits = true, Delay = latency };
        WhatsAppCommunicatorConfig config = new()
        {
            Type = WhatsAppCommunicatorConfig.Kind,
            Client = WhatsAppClientKind.BusinessApi,
            AccessToken = new Secret(server.AccessToken),
            PhoneNumberId = server.PhoneNumberId,
            AppSecret = new Secret(server.AppSecret),
            VerifyToken = new Secret("verify-canary"),
            GraphUrl = server.GraphUrl,
        };
        await using MessageRuntime runtime = await LaneRuntime.StartAsync(folder, app => app.AddCommunicator(_ => new WhatsAppCommunicator("wa", config), config: config));
        await EmitAsync(runtime, "wa", [.. Enumerable.Range(0, 400).Select(n => $"+4917{n + 10_000_000}")], WhatsAppPerSecond * (seconds + 1) / 400, "hello");
        await LaneRuntime.UntilAsync(async () => await runtime.OpenAsync() == 0, TimeSpan.FromMinutes(10), "whatsapp");
        return Figure("whatsapp 80/s, 400 recipients", [server.Messages.GroupBy(_ => "", message => message.At).Single()], WhatsAppPerSecond, server.Requests.Count - server.Messages.Count);
    }

    private static async Task EmitAsync(MessageRuntime runtime, string communicator, IReadOnlyList<string> recipients, int each, string text)
    {
        for (int n = 0; n < each; n++)
        {
            foreach (string recipient in recipients)
            {
                await runtime.EmitAsync(communicator, recipient, text);
            }
        }
    }

    /// <summary>
    /// What was used of each key's rate from its first send to the last. A window may be used up at its start, so the time ends with the first of the last so many sends,
    /// and they do not count.
    /// </summary>
    private static RateFigure Figure(string name, IEnumerable<IGrouping<string, DateTimeOffset>> keys, double perSecond, int tooMany)
    {
        (int sends, int counted, double seconds) = (0, 0, 0);
        foreach (IGrouping<string, DateTimeOffset> key in keys)
        {
            DateTimeOffset[] at = [.. key.Order()];
            (sends, counted, seconds) = (sends + at.Length, counted + at.Length - Burst, seconds + (at[^Burst] - at[0]).TotalSeconds);
        }

        return new RateFigure(name, sends, seconds, counted / (perSecond * seconds), tooMany);
    }

    /// <summary>A service of 20 calls in two seconds that the lane knows nothing of, or whose limit is in the settings.</summary>
    private static async Task<RateFigure> WebhookAsync(string folder, int seconds, TimeSpan latency, bool limit = false)
    {
        Rate rate = new(20, TimeSpan.FromSeconds(2));
        await using MeasuredService service = new() { Latency = latency, Limit = rate };
        QueueLimit[] limits = limit ? [new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, HeaderNames.Label), Rate = rate }] : [];
        WebhookCommunicatorConfig config = new() { Type = "webhook", Url = service.Address, Limits = limits };
        await using MessageRuntime runtime = await LaneRuntime.StartAsync(folder, app => app.AddCommunicator(_ => new WebhookCommunicator("hook", config), config: config));
        int messages = 10 * ((limit ? seconds : LearningTimes * seconds) + 2);
        for (int n = 0; n < messages; n++)
        {
            await runtime.EmitAsync("hook", string.Create(CultureInfo.InvariantCulture, $"r{n % 40}"), "hello");
        }

        await LaneRuntime.UntilAsync(async () => await runtime.OpenAsync() == 0, TimeSpan.FromMinutes(10), "webhook");
        ServiceArrival[] refused = [.. service.Arrivals.Where(arrival => arrival.Status != 200)];
        ServiceArrival[] taken = [.. service.Arrivals.Where(arrival => arrival.Status == 200)];
        if (limit)
        {
            return Of("webhook 20 in 2 s, limit in the settings", taken, 0);
        }

        // What was in flight when the first was refused could not know of it. What left after the wait could.
        long learnt = refused[0].At + (long)(rate.Period.TotalSeconds / 2 * Stopwatch.Frequency);
        int further = refused.Count(arrival => arrival.At > learnt);
        return Of(
            string.Create(CultureInfo.InvariantCulture, $"webhook 20 in 2 s, limit unknown and learnt from the first {refused.Length - further} x 429"),
            [.. taken.Where(arrival => arrival.At > learnt)],
            MostTrials);

        RateFigure Of(string name, ServiceArrival[] counted, int most)
        {
            double took = Stopwatch.GetElapsedTime(counted[0].At, counted[^1].At).TotalSeconds;
            int tooMany = refused.Count(arrival => arrival.At > counted[0].At);
            return new RateFigure(name, counted.Length, took, (counted.Length - 1) / (took * rate.Count / rate.Period.TotalSeconds), tooMany, most);
        }
    }
}
