using System.Globalization;
using Postroom.Chat;
using Postroom.Testing;

namespace Postroom.Lanes;

/// <summary>How an outage is played.</summary>
public sealed record OutageOptions
{
    /// <summary>Messages of all services together that are stored while they are down.</summary>
    public int Messages { get; init; } = 10_000;

    /// <summary>How long connections are refused once all is stored.</summary>
    public TimeSpan Refused { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long 503 is answered after that.</summary>
    public TimeSpan Unavailable { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>What an outage did.</summary>
public sealed record OutageReport
{
    /// <summary>Messages that were stored, and that services took.</summary>
    public required (int Stored, int Taken) Messages { get; init; }

    /// <summary>Managed memory in bytes: with everything stored, and at the end of the outage.</summary>
    public required (long Stored, long Later) Memory { get; init; }

    /// <summary>Calls while 503 was answered, all services together.</summary>
    public required int Probes { get; init; }

    /// <summary>How long it took from the services' return until all was sent, in seconds.</summary>
    public required double Drained { get; init; }

    /// <summary>Answers 429 of the service with limits.</summary>
    public required int TooMany { get; init; }

    /// <summary>What is not as it has to be; empty for nothing.</summary>
    public required IReadOnlyList<string> Problems { get; init; }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"lane outage: messages {Messages.Stored} taken {Messages.Taken} lost {Messages.Stored - Messages.Taken} memory {Memory.Stored / 1e6:F1} -> {Memory.Later / 1e6:F1} MB probes {Probes} drained in {Drained:F1} s 429s {TooMany} problems {Problems.Count}");
}

/// <summary>Services go away with messages waiting, answer 503, and come back: nothing is lost, order is kept, memory is flat, and lanes ramp up by themselves.</summary>
public static class Outage
{
    private const int Webhooks = 3;
    private const int Recipients = 50;
    private const int Chats = 60;
    private const long MemoryBound = 4 << 20;

    /// <summary>Plays one.</summary>
    /// <param name="folder">Where the store is.</param>
    /// <param name="options">How.</param>
    public static async Task<OutageReport> RunAsync(string folder, OutageOptions options)
    {
        await using FakeTelegramServer telegram = new() { HasLimits = true };
        FakeTelegramChat[] chats = [.. Enumerable.Range(1, Chats).Select(id => telegram.AddChat(id))];
        MeasuredService[] services = [.. Enumerable.Range(0, Webhooks).Select(_ => new MeasuredService { Latency = TimeSpan.FromMilliseconds(2) })];
        MessageRuntime? runtime = null;
        try
        {
            runtime = await LaneRuntime.StartAsync(folder, app =>
            {
                app.AddCommunicator(_ => new TelegramCommunicator("shop", new TelegramCommunicatorConfig { Type = TelegramCommunicatorConfig.Kind, Token = new Secret(telegram.Token), BaseUrl = telegram.Address }));
                for (int i = 0; i < Webhooks; i++)
                {
                    WebhookCommunicatorConfig config = new() { Type = "webhook", Url = services[i].Address };
                    string name = $"hook{i}";
                    app.AddCommunicator(_ => new WebhookCommunicator(name, config), config: config);
                }
            });
            return await PlayAsync(runtime, options, services, telegram, chats);
        }
        finally
        {
            if (runtime is not null)
            {
                await runtime.DisposeAsync();
            }

            foreach (MeasuredService service in services)
            {
                await service.DisposeAsync();
            }
        }
    }

    private static async Task<OutageReport> PlayAsync(MessageRuntime runtime, OutageOptions options, MeasuredService[] services, FakeTelegramServer telegram, FakeTelegramChat[] chats)
    {
        Array.ForEach(services, service => service.IsUp = false);
        telegram.IsUp = false;
        int toChats = Math.Min(options.Messages / 20, 300);
        int perHook = (options.Messages - toChats) / Webhooks;
        int stored = toChats + (perHook * Webhooks);
        for (int n = 0; n < perHook; n++)
        {
            for (int i = 0; i < Webhooks; i++)
            {
                await runtime.EmitAsync($"hook{i}", string.Create(CultureInfo.InvariantCulture, $"r{n % Recipients}"), Number(n));
            }
        }

        for (int n = 0; n < toChats; n++)
        {
            await runtime.EmitAsync("shop", string.Create(CultureInfo.InvariantCulture, $"{1 + (n % Chats)}"), Number(n));
        }

        long memory = Memory();
        await Task.Delay(options.Refused);
        Array.ForEach(services, service => (service.Status, service.IsUp) = (503, true));
        telegram.FailNext(FakeTelegramServer.Error(503, "Service Unavailable"), "sendMessage", times: 1);
        await Task.Delay(options.Unavailable);
        long later = Memory();
        int probes = services.Sum(service => service.Arrivals.Count);
        Array.ForEach(services, service => service.Status = 200);
        telegram.IsUp = true;
        long back = TimeProvider.System.GetTimestamp();
        await LaneRuntime.UntilAsync(async () => await runtime.OpenAsync() == 0, TimeSpan.FromMinutes(10), "everything is sent");
        double drained = TimeProvider.System.GetElapsedTime(back).TotalSeconds;
        int tooMany = telegram.Calls.Count(call => call.Method == "sendMessage") - chats.Sum(chat => chat.Messages.Count) - 1;
        List<string> problems = [.. services.SelectMany((service, i) => Check(i, service, perHook, options)), .. chats.SelectMany(Check)];
        if (later - memory > MemoryBound)
        {
            problems.Add($"Memory grew by {later - memory} bytes during the outage; {MemoryBound} are allowed.");
        }

        if (tooMany > 0)
        {
            problems.Add($"The service with limits answered 429 {tooMany} times.");
        }

        return new OutageReport
        {
            Messages = (stored, services.Sum(service => service.Accepted) + chats.Sum(chat => chat.Messages.Count)),
            Memory = (memory, later),
            Probes = probes,
            Drained = drained,
            TooMany = tooMany,
            Problems = problems,
        };
    }

    private static string Number(int n) => n.ToString("D6", CultureInfo.InvariantCulture);

    private static long Memory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static IEnumerable<string> Check(int index, MeasuredService service, int sent, OutageOptions options)
    {
        ServiceArrival[] refused = [.. service.Arrivals.Where(arrival => arrival.Status == 503)];
        ServiceArrival[] taken = [.. service.Arrivals.Where(arrival => arrival.Status == 200)];
        if (taken.Length != sent || taken.DistinctBy(arrival => arrival.Text).Count() != sent)
        {
            yield return $"hook{index}: {taken.Length} calls were taken instead of {sent}.";
        }

        foreach (IGrouping<string, ServiceArrival> recipient in taken.GroupBy(arrival => arrival.Recipient, StringComparer.Ordinal))
        {
            string[] texts = [.. recipient.Select(arrival => arrival.Text)];
            if (!texts.SequenceEqual(texts.Order(StringComparer.Ordinal)))
            {
                yield return $"hook{index}: messages to {recipient.Key} came out of order.";
            }
        }

        // Refused connections have made the pauses long already: at most one probe a second.
        int mostProbes = 1 + (int)options.Unavailable.TotalSeconds;
        if (refused.Length > mostProbes || refused.Any(arrival => arrival.InFlight > 1))
        {
            yield return $"hook{index}: {refused.Length} probes came, {refused.Max(arrival => arrival.InFlight)} at a time, in {options.Unavailable}; at most {mostProbes}, one at a time, are probes.";
        }

        // LN-13: one at first, and each success doubles how many go at a time.
        if (taken.FirstOrDefault(arrival => arrival.Taken < 5 && arrival.InFlight > 1 << arrival.Taken) is { } early)
        {
            yield return $"hook{index}: {early.InFlight} calls were in progress after {early.Taken} successes.";
        }
    }

    private static IEnumerable<string> Check(FakeTelegramChat chat)
    {
        string[] texts = [.. chat.Messages.Select(message => message.Text)];
        return texts.SequenceEqual(texts.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)) ? [] : [$"Chat {chat.Id}: {texts.Length} messages came, doubled or out of order."];
    }
}
