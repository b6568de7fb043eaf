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
    /// <summary>Measures the limits of Telegram: of the bot, of a chat and of a group, and the way that a webhook with <c>Retry-After</c> is used.</summary>
    /// <param name="folder">Where stores are.</param>
    /// <param name="seconds">How long each is measured, at least; groups take four times as long.</param>
    /// <param name="latency">How long the services take for an answer.</param>
    public static async Task<IReadOnlyList<RateFigure>> RunAsync(string folder, int seconds, TimeSpan latency)
    {
        return
        [
            await TelegramAsync(Path.Combine(folder, "bot"), "telegram bot 30/s, 200 chats", [.. Enumerable.Range(1, 200).Select(id => (long)id)], (30 * (seconds + 1) / 200) + 1, 30, 1, latency),
            await TelegramAsync(Path.Combine(folder, "chat"), "telegram chat 1/s, 10 chats", [.. Enumerable.Range(1, 10).Select(id => (long)id)], 3 + seconds, 10, 10, latency),
            await TelegramAsync(Path.Combine(folder, "long"), "telegram chat 1/s, 10 chats, messages in 4 parts", [.. Enumerable.Range(1, 10).Select(id => (long)id)], 1 + (seconds / 4), 10, 10, latency, parts: 4),
            await TelegramAsync(Path.Combine(folder, "group"), "telegram group 20/min, 60 groups", [.. Enumerable.Range(1, 60).Select(id => (long)-id)], 2 + (4 * seconds / 3), 20, 60, latency),
            await WebhookAsync(Path.Combine(folder, "webhook"), seconds, latency),
            await WebhookAsync(Path.Combine(folder, "limited"), seconds, latency, limit: true),
        ];
    }

    /// <summary>Sends to chats as fast as the lane lets, all of them waiting from the start, and measures from the first to the last: what comes after the first of each key.</summary>
    private static async Task<RateFigure> TelegramAsync(string folder, string name, long[] ids, int each, double perSecond, int keys, TimeSpan latency, int parts = 1)
    {
        await using FakeTelegramServer server = new() { HasLimits = true, Latency = latency };
        FakeTelegramChat[] chats = [.. ids.Select(id => server.AddChat(id))];
        await using MessageRuntime runtime = await LaneRuntime.StartAsync(folder, app => app.AddCommunicator(
            _ => new TelegramCommunicator("shop", new TelegramCommunicatorConfig { Type = TelegramCommunicatorConfig.Kind, Token = new Secret(server.Token), BaseUrl = server.Address })));
        string text = string.Join('\n', Enumerable.Range(1, parts == 1 ? 1 : parts * 30).Select(line => $"line {line.ToString(CultureInfo.InvariantCulture)}"));
        server.IsUp = false;
        for (int n = 0; n < each; n++)
        {
            foreach (long id in ids)
            {
                await runtime.EmitAsync("shop", id.ToString(CultureInfo.InvariantCulture), text);
            }
        }

        server.IsUp = true;
        await LaneRuntime.UntilAsync(async () => await runtime.OpenAsync() == 0, TimeSpan.FromMinutes(10), name);
        FakeTelegramCall[] sends = [.. server.Calls.Where(call => call.Method == "sendMessage")];
        int taken = chats.Sum(chat => chat.Messages.Count);
        double took = (sends[^1].At - sends[0].At).TotalSeconds;
        return new RateFigure(name, taken, took, (taken - keys) / (perSecond * took), sends.Length - taken);
    }

    /// <summary>A service of 20 calls in two seconds that the lane knows nothing of, or whose limit is in the settings.</summary>
    private static async Task<RateFigure> WebhookAsync(string folder, int seconds, TimeSpan latency, bool limit = false)
    {
        Rate rate = new(20, TimeSpan.FromSeconds(2));
        await using MeasuredService service = new() { Latency = latency, Limit = rate };
        QueueLimit[] limits = limit ? [new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, HeaderNames.Label), Rate = rate }] : [];
        WebhookCommunicatorConfig config = new() { Type = "webhook", Url = service.Address, Limits = limits };
        await using MessageRuntime runtime = await LaneRuntime.StartAsync(folder, app => app.AddCommunicator(_ => new WebhookCommunicator("hook", config), config: config));
        int messages = 10 * (seconds + 2);
        for (int n = 0; n < messages; n++)
        {
            await runtime.EmitAsync("hook", string.Create(CultureInfo.InvariantCulture, $"r{n % 40}"), "hello");
        }

        await LaneRuntime.UntilAsync(async () => await runtime.OpenAsync() == 0, TimeSpan.FromMinutes(10), "webhook");
        ServiceArrival[] taken = [.. service.Arrivals.Where(arrival => arrival.Status == 200)];
        double took = Stopwatch.GetElapsedTime(taken[0].At, taken[^1].At).TotalSeconds;
        int tooMany = service.Arrivals.Count - taken.Length;
        string name = limit ? "webhook 20 in 2 s, limit in the settings" : "webhook 20 in 2 s, limit unknown";
        return new RateFigure(name, taken.Length, took, (taken.Length - (limit ? 1 : rate.Count)) / (took * rate.Count / rate.Period.TotalSeconds), tooMany, limit ? 0 : int.MaxValue);
    }
}
