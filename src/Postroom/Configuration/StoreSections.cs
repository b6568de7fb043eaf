namespace Postroom.Configuration;

/// <summary>Reads the sections about keeping messages: store, retention, redis, intake.</summary>
internal static class StoreSections
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    public static StoreOptions ReadStore(SectionReader reader, ConfigurationCatalog catalog)
    {
        var d = new StoreOptions();
        SectionReader memory = reader.ReadSection("memory");
        var options = new StoreOptions
        {
            Kind = reader.ReadText("kind", d.Kind)!,
            Path = reader.ReadText("path", d.Path)!,
            Synchronous = reader.ReadChoice("synchronous", d.Synchronous),
            Check = reader.ReadChoice("check", d.Check),
            Reserve = reader.ReadSize("reserve", d.Reserve),
            MaxSize = reader.ReadOptionalSize("maxSize", null, 1L << 20),
            Memory = new MemoryStoreOptions
            {
                Messages = memory.ReadCount("messages", d.Memory.Messages, 1),
                Size = memory.ReadSize("size", d.Memory.Size, 1L << 20),
                Finished = memory.ReadCount("finished", d.Memory.Finished),
            },
        };
        CheckKind(reader, options.Kind, catalog);
        if (string.IsNullOrWhiteSpace(options.Path))
        {
            reader.AddError("path", "store.path is blank. Name the file of the store, such as data/postroom.db.");
        }

        return options;
    }

    public static RetentionOptions ReadRetention(SectionReader reader)
    {
        var d = new RetentionOptions();
        return new RetentionOptions
        {
            Acked = reader.ReadDuration("acked", d.Acked),
            Failed = reader.ReadDuration("failed", d.Failed),
            Dedup = reader.ReadDuration("dedup", d.Dedup, Minute),
            MaxDedupKeys = reader.ReadCount("maxDedupKeys", d.MaxDedupKeys, 1),
            Audit = reader.ReadDuration("audit", d.Audit),
            Occurrences = reader.ReadDuration("occurrences", d.Occurrences, TimeSpan.FromHours(1)),
            Runs = reader.ReadCount("runs", d.Runs, 1, 100_000),
            KeepBody = reader.ReadFlag("keepBody", d.KeepBody),
        };
    }

    public static RedisOptions ReadRedis(SectionReader reader)
    {
        var d = new RedisOptions();
        var options = new RedisOptions
        {
            // Read as text: views show the server, and the redactor masks the password in it.
            Url = new Secret(reader.ReadText("url", d.Url.Reveal())!),
            Prefix = reader.ReadText("prefix", d.Prefix)!,
            RequireDurable = reader.ReadFlag("requireDurable", d.RequireDurable),
            WaitReplicas = reader.ReadCount("waitReplicas", d.WaitReplicas, 0, 100),
            OutboundStreamPrefix = reader.ReadText("outboundStreamPrefix"),
            GatewayGroupPrefix = reader.ReadText("gatewayGroupPrefix"),
            Partitions = reader.ReadCount("partitions", d.Partitions, 1, 1_024),
            Lease = reader.ReadDuration("lease", d.Lease, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5)),
            Sentinels = reader.ReadTexts("sentinels"),
            Master = reader.ReadText("master"),
            CaFile = reader.ReadText("caFile"),
            Timeout = reader.ReadDuration("timeout", d.Timeout, TimeSpan.FromMilliseconds(10)),
            MaxBulk = reader.ReadSize("maxBulk", d.MaxBulk, 1L << 20, 512L << 20),
        };
        if (!Uri.TryCreate(options.Url.Reveal(), UriKind.Absolute, out Uri? url) || url.Scheme is not ("redis" or "rediss" or "unix"))
        {
            reader.AddError("url", "redis.url is no address of a server. Write redis://host:6379, rediss://host:6379 or unix:///path.");
        }

        if (options.Prefix.Length == 0 || options.Prefix.AsSpan().ContainsAny("{} "))
        {
            reader.AddError("prefix", $"redis.prefix is '{options.Prefix}'; it must have at least one character and no brace or blank, because keys put it in braces.");
        }

        if (options.Sentinels.Count > 0 != options.Master is not null)
        {
            reader.AddError(options.Master is null ? "sentinels" : "master", "redis.sentinels and redis.master belong together: the Sentinels are asked for the master of that name.");
        }

        return options;
    }

    public static IntakeOptions ReadIntake(SectionReader reader)
    {
        var d = new WebhookIntakeOptions();
        SectionReader webhook = reader.ReadSection("webhook");
        return new IntakeOptions
        {
            Webhook = new WebhookIntakeOptions
            {
                Into = webhook.ReadText("into", d.Into)!,
                Token = webhook.ReadSecrets("token"),
                Secret = webhook.ReadSecrets("secret"),
                MaxBody = webhook.ReadSize("maxBody", d.MaxBody, 1, 1L << 30),
                PerSender = webhook.ReadRate("perSender", d.PerSender)!.Value,
                PerAddress = webhook.ReadRate("perAddress", d.PerAddress)!.Value,
            },
        };
    }

    private static void CheckKind(SectionReader reader, string kind, ConfigurationCatalog catalog)
    {
        if (catalog.StoreKinds.Contains(kind))
        {
            return;
        }

        string kinds = string.Join(", ", catalog.StoreKinds);
        reader.AddError("kind", kind == "postgres"
            ? $"store.kind is 'postgres', but the PostgreSQL store is not part of this build. Use one of {kinds}."
            : $"store.kind is '{kind}', but no store of that kind is registered. Registered are {kinds}; AddStore(\"{kind}\", …) adds one.");
    }
}
