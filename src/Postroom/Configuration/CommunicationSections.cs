namespace Postroom.Configuration;

/// <summary>Reads the sections about what goes out: communications, outbound, gateway.</summary>
internal static class CommunicationSections
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);
    private static readonly string[] ReservedNames = ["label", "queue", "reply"];

    public static OutboundOptions ReadOutbound(SectionReader reader, OutboundOptions d)
    {
        var options = new OutboundOptions
        {
            MaxInFlight = reader.ReadCount("maxInFlight", d.MaxInFlight, 1, 1_024),
            SendTimeout = reader.ReadDuration("sendTimeout", d.SendTimeout, Shortest),
            ConsumerName = reader.ReadText("consumerName", d.ConsumerName),
            AutoclaimInterval = reader.ReadDuration("autoclaimInterval", d.AutoclaimInterval, TimeSpan.FromMilliseconds(100)),
            AutoclaimMinIdle = reader.ReadDuration("autoclaimMinIdle", d.AutoclaimMinIdle, TimeSpan.FromMilliseconds(100)),
            ClaimTtl = reader.ReadDuration("claimTtl", d.ClaimTtl, TimeSpan.FromSeconds(1)),
            DoneTtl = reader.ReadDuration("doneTtl", d.DoneTtl, TimeSpan.FromSeconds(1)),
            MaxDeliveries = reader.ReadCount("maxDeliveries", d.MaxDeliveries, 1, 100),
            DrainTimeout = reader.ReadDuration("drainTimeout", d.DrainTimeout, allowInfinite: true),
            ToolsDirectory = reader.ReadText("toolsDirectory", d.ToolsDirectory)!,
        };
        if (options.ClaimTtl > options.DoneTtl)
        {
            reader.AddError("claimTtl", $"{reader.Path}.claimTtl ({Duration.Format(options.ClaimTtl)}) is longer than doneTtl ({Duration.Format(options.DoneTtl)}); "
                + "a claim would outlive the mark that its send is done. Lower claimTtl or raise doneTtl.");
        }

        return options;
    }

    public static GatewayOptions ReadGateway(SectionReader reader) => new()
    {
        Tools = new GatewayToolsOptions { Enabled = reader.ReadSection("tools").ReadFlag("enabled", false) },
    };

    /// <param name="reader">The section.</param>
    /// <param name="outbound">The options of <c>outbound</c>, which each communicator may override.</param>
    /// <param name="catalog">The types with a schema.</param>
    public static CommunicationsConfig ReadCommunications(SectionReader reader, OutboundOptions outbound, ConfigurationCatalog catalog)
    {
        var config = new CommunicationsConfig
        {
            Enabled = reader.ReadFlag("enabled", false),
            OnUnroutable = reader.ReadChoice("onUnroutable", UnroutablePolicy.Fail),
            DefaultChannel = reader.ReadText("defaultChannel"),
            Incoming = reader.ReadChoice("incoming", IncomingMode.Handle),
            Backends = reader.ReadSection("backends").ReadNamed("communicator", (name, backend) => ReadBackend(name, backend, outbound, catalog)),
        };
        if (config.DefaultChannel is { } channel && !config.Backends.ContainsKey(channel))
        {
            reader.AddError("defaultChannel", $"communications.defaultChannel is '{channel}', but no communicator has that name. "
                + NearestName.Hint(channel, [.. config.Backends.Keys]));
        }

        return config;
    }

    private static CommunicatorBackendConfig ReadBackend(string name, SectionReader reader, OutboundOptions outbound, ConfigurationCatalog catalog)
    {
        if (name.Contains('.', StringComparison.Ordinal) || ReservedNames.Contains(name, StringComparer.Ordinal))
        {
            reader.AddError("", $"'{name}' is no name for a communicator, because addresses read {{name}}:{{recipient}}. "
                + $"Choose one without a dot, and none of {string.Join(", ", ReservedNames)}.");
        }

        SectionReader retry = reader.ReadSection("retry", $"{{ maxAttempts: 5, backoff: {FlowSections.BackoffExample} }}");
        SectionReader backoff = retry.ReadSection("backoff", FlowSections.BackoffExample);
        var common = new CommunicatorBackendConfig
        {
            Type = reader.RequireText("type", "Say what kind of communicator it is, such as email, telegram, whatsapp, webhook or emulator."),
            Enabled = reader.ReadFlag("enabled", true),
            Labels = reader.ReadTexts("labels", ["default"]),
            OnUnavailable = reader.ReadChoice("onUnavailable", UnavailablePolicy.Hold),
            Uncertain = reader.ReadOptionalChoice<UncertainPolicy>("uncertain"),
            UncertainRetries = reader.ReadCount("uncertainRetries", 1, 0, 100),
            AskTimeout = reader.ReadOptionalDuration("askTimeout", null, Shortest),
            Retry = new RetryConfig
            {
                MaxAttempts = retry.ReadOptionalCount("maxAttempts", null, 1, 1_000),
                Backoff = backoff.IsEmpty ? null : FlowSections.ReadBackoff(backoff, new BackoffOptions()),
            },
            Limits = FlowSections.ReadLimits(reader),
            MaxInFlight = reader.ReadOptionalCount("maxInFlight", null, 1, 1_024),
        };
        SectionReader own = reader.ReadSection("outbound");
        common = common with
        {
            Labels = CheckLabels(reader, common.Labels),
            Outbound = own.IsEmpty ? outbound : ReadOutbound(own, outbound),
        };
        return catalog.Backends.TryGetValue(common.Type, out BackendSchema? schema) ? schema(common, reader) : common with { Extra = reader.ReadRest() };
    }

    private static IReadOnlyList<string> CheckLabels(SectionReader reader, IReadOnlyList<string> labels)
    {
        if (labels.Any(string.IsNullOrEmpty))
        {
            reader.AddError("labels", $"{reader.Path}.labels has an empty label. A label has at least one character.");
        }

        // Null or empty labels mean the label everything has that says nothing.
        return labels.Count == 0 ? ["default"] : [.. labels.Distinct(StringComparer.Ordinal)];
    }
}
