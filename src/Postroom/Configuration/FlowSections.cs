namespace Postroom.Configuration;

/// <summary>Reads the sections about handling messages: queues, workers, sources.</summary>
internal static class FlowSections
{
    /// <summary>How a backoff is written.</summary>
    public const string BackoffExample = "{ base: 1s, factor: 2, max: 5m, jitter: 0.2 }";

    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    public static IReadOnlyDictionary<string, QueueOptions> ReadQueues(SectionReader reader, ConfigurationCatalog catalog) =>
        reader.ReadNamed("queue", (name, queue) => ReadQueue(queue, catalog.Queues.TryGetValue(name, out QueueOptions? declared) ? declared : new QueueOptions()));

    public static IReadOnlyDictionary<string, WorkerOptions> ReadWorkers(SectionReader reader, ConfigurationCatalog catalog) =>
        reader.ReadNamed("worker pool", (name, pool) => ReadPool(name, pool, catalog.Pools.TryGetValue(name, out WorkerOptions? declared) ? declared : new WorkerOptions()));

    public static IReadOnlyDictionary<string, SourceConfig> ReadSources(SectionReader reader, ConfigurationCatalog catalog) =>
        reader.ReadNamed("source", (_, source) => ReadSource(source, catalog));

    public static BackoffOptions ReadBackoff(SectionReader reader, BackoffOptions d)
    {
        var options = new BackoffOptions
        {
            Base = reader.ReadDuration("base", d.Base, Shortest),
            Factor = reader.ReadNumber("factor", d.Factor, 1, 100),
            Max = reader.ReadDuration("max", d.Max, Shortest),
            Jitter = reader.ReadNumber("jitter", d.Jitter, 0, 1),
        };
        if (options.Base > options.Max)
        {
            reader.AddError("base", $"{reader.Path}.base ({Duration.Format(options.Base)}) is longer than max ({Duration.Format(options.Max)}); "
                + "every wait would be max. Lower base or raise max.");
        }

        return options;
    }

    public static IReadOnlyList<QueueLimit> ReadLimits(SectionReader reader)
    {
        IReadOnlyList<QueueLimit> limits = reader.ReadList("limits", ReadLimit);
        if (limits.Count > 16)
        {
            reader.AddError("limits", $"{reader.Path}.limits has {limits.Count} entries; at most 16 are checked for every message.");
        }

        return limits;
    }

    private static QueueOptions ReadQueue(SectionReader reader, QueueOptions d)
    {
        var options = new QueueOptions
        {
            Lease = reader.ReadDuration("lease", d.Lease, Second),
            Renew = reader.ReadDuration("renew", d.Renew, Shortest),
            MaxAttempts = reader.ReadCount("maxAttempts", d.MaxAttempts, 1, 1_000),
            Backoff = ReadBackoff(reader.ReadSection("backoff", BackoffExample), d.Backoff),
            Order = reader.ReadForm("order", d.Order, QueueOrder.TryParse, QueueOrder.Forms),
            HaltOnFailure = reader.ReadFlag("haltOnFailure", d.HaltOnFailure),
            PoisonDeaths = reader.ReadCount("poisonDeaths", d.PoisonDeaths, 1, 100),
            HighWater = reader.ReadCount("highWater", d.HighWater, 1),
            LowWater = reader.ReadCount("lowWater", d.LowWater),
            MaxPerKey = reader.ReadCount("maxPerKey", d.MaxPerKey, 1),
            TimeToLive = reader.ReadOptionalDuration("timeToLive", d.TimeToLive, Shortest),
            Limits = ReadLimits(reader),
        };
        CheckQueue(reader, options);
        return options;
    }

    private static void CheckQueue(SectionReader reader, QueueOptions options)
    {
        // A default gives way to the setting beside it, so that one short lease or low mark needs no second setting.
        if (!reader.Has("renew") && options.Renew * 2 > options.Lease)
        {
            options.Renew = options.Lease / 3;
        }

        if (!reader.Has("lowWater") && options.LowWater > options.HighWater)
        {
            options.LowWater = (int)(options.HighWater * 0.8);
        }

        if (options.Renew * 2 > options.Lease)
        {
            reader.AddError("renew", $"{reader.Path}.renew ({Duration.Format(options.Renew)}) is more than half of lease ({Duration.Format(options.Lease)}); "
                + "one slow renewal would lose the lease. Lower renew or raise lease.");
        }

        if (options.LowWater > options.HighWater)
        {
            reader.AddError("lowWater", $"{reader.Path}.lowWater ({options.LowWater}) is above highWater ({options.HighWater}); "
                + "a paused source would never resume. Lower lowWater or raise highWater.");
        }
    }

    private static QueueLimit ReadLimit(SectionReader reader)
    {
        var limit = new QueueLimit
        {
            Key = reader.ReadForm("key", default(LimitKey), LimitKey.TryParse, LimitKey.Forms),
            Concurrency = reader.ReadOptionalCount("concurrency", null, 1),
            Rate = reader.ReadRate("rate"),
        };
        if (!reader.Has("key"))
        {
            reader.AddError("key", $"{reader.Path}.key is missing. Say what to count by: {LimitKey.Forms}.");
        }

        if (!reader.Has("concurrency") && !reader.Has("rate"))
        {
            reader.AddError("", $"{reader.Path} bounds nothing. Give it concurrency, rate or both, or remove it.");
        }

        return limit;
    }

    private static WorkerOptions ReadPool(string name, SectionReader reader, WorkerOptions d)
    {
        return new WorkerOptions
        {
            Queue = reader.ReadText("queue", d.Queue is { Length: > 0 } queue ? queue : name == "router" ? "in" : name)!,
            Parallelism = reader.ReadCount("parallelism", d.Parallelism, 1, 1_024),
            HandlerTimeout = reader.ReadDuration("handlerTimeout", d.HandlerTimeout, Shortest, allowInfinite: true),
            RetryTimeouts = reader.ReadFlag("retryTimeouts", d.RetryTimeouts),
            CancelGrace = reader.ReadDuration("cancelGrace", d.CancelGrace),
            Prefetch = reader.ReadOptionalCount("prefetch", d.Prefetch, 1, 1_024),
            SettleWindow = reader.ReadCount("settleWindow", d.SettleWindow, 1, 65_536),
            CrashLimit = reader.ReadCount("crashLimit", d.CrashLimit, 1, 1_000),
            CrashWindow = reader.ReadDuration("crashWindow", d.CrashWindow, Second),
            RestartBackoff = ReadBackoff(reader.ReadSection("restartBackoff"), d.RestartBackoff),
        };
    }

    private static SourceConfig ReadSource(SectionReader reader, ConfigurationCatalog catalog)
    {
        var common = new SourceConfig
        {
            Type = reader.RequireText("type", "Say what kind of source it is, such as imap, maildir, folder or webhook."),
            Enabled = reader.ReadFlag("enabled", true),
            Into = reader.ReadText("into", "in")!,
            ReplyVia = reader.ReadText("replyVia"),
        };
        return catalog.Sources.TryGetValue(common.Type, out SourceSchema? schema) ? schema(common, reader) : common with { Extra = reader.ReadRest() };
    }
}
