namespace Postroom.Configuration;

/// <summary>Every section Postroom itself has, and the checks that concern two of them.</summary>
internal static class BuiltInSections
{
    /// <summary>Sections whose values are needed by others come first.</summary>
    public static IReadOnlyList<SettingsSection> Create(ConfigurationCatalog catalog)
    {
        // The lane options are read once and handed to the communicators, which may override them.
        OutboundOptions outbound = new();
        return
        [
            SettingsSection.Create("runtime", ProcessSections.ReadRuntime).AtRestart(),
            SettingsSection.CreateAtRoot("modules", reader => ProcessSections.ReadModules(reader, catalog)).AtRestart(),
            SettingsSection.Create("store", reader => StoreSections.ReadStore(reader, catalog)).AtRestart(),
            SettingsSection.Create("retention", StoreSections.ReadRetention),
            SettingsSection.Create("redis", StoreSections.ReadRedis).AtRestart(),
            SettingsSection.Create("server", ProcessSections.ReadServer),
            SettingsSection.Create("intake", StoreSections.ReadIntake),
            SettingsSection.Create("queues", reader => FlowSections.ReadQueues(reader, catalog)),
            SettingsSection.Create("workers", reader => FlowSections.ReadWorkers(reader, catalog)),
            SettingsSection.Create("sources", reader => FlowSections.ReadSources(reader, catalog)),
            SettingsSection.Create("schedules", reader => ScheduleSections.ReadSchedules(reader, catalog)),
            SettingsSection.Create("outbound", reader => outbound = CommunicationSections.ReadOutbound(reader, new OutboundOptions())),
            SettingsSection.Create("communications", reader => CommunicationSections.ReadCommunications(reader, outbound, catalog)),
            SettingsSection.Create("gateway", CommunicationSections.ReadGateway).AtRestart(),
            SettingsSection.Create("restart", ProcessSections.ReadRestart),
            SettingsSection.Create("health", ProcessSections.ReadHealth),
            SettingsSection.Create("hooks", ProcessSections.ReadHooks),
            SettingsSection.Create("tracing", reader => ProcessSections.ReadTracing(reader, catalog)),
            SettingsSection.Create("logging", ProcessSections.ReadLogging),
            SettingsSection.Create("limits", ProcessSections.ReadLimits),
            SettingsSection.Create("config", ProcessSections.ReadConfig).AtRestart(),
            SettingsSection.Create("secrets", ProcessSections.ReadSecrets),
        ];
    }

    /// <summary>Checks what no section can see alone.</summary>
    public static void CheckTogether(SectionReader root, IReadOnlyDictionary<string, object> values, ConfigurationCatalog catalog)
    {
        QueueReferences.Check(root, values, catalog);
        var runtime = (RuntimeOptions)values["runtime"];
        var store = (StoreOptions)values["store"];
        if (runtime.Role != RuntimeRole.All && store.Kind != "redis")
        {
            root.ReadSection("runtime").AddError("role", $"runtime.role is '{(runtime.Role == RuntimeRole.Core ? "core" : "gateway")}', which shares its store "
                + $"with other nodes, but store.kind is '{store.Kind}'. Set store.kind to redis, or role to all.");
        }
    }
}
