namespace Postroom.Configuration;

/// <summary>Checks that the queues which settings name are declared, at the start and at each reload alike.</summary>
internal static class QueueReferences
{
    /// <summary>Reports what names an undeclared queue. Who reads settings without the modules does not know their queues.</summary>
    /// <param name="root">The whole configuration.</param>
    /// <param name="values">What was read of each section.</param>
    /// <param name="catalog">What modules declare.</param>
    public static void Check(SectionReader root, IReadOnlyDictionary<string, object> values, ConfigurationCatalog catalog)
    {
        if (catalog.RunModules is not { } run || values["modules"] is not IReadOnlyList<string> named || named.Any(module => !run.Contains(module)))
        {
            return;
        }

        HashSet<string> declared = [.. catalog.Queues.Keys, .. Of<QueueOptions>(values, "queues").Keys, "in", OutboundQueue.Unrouted];
        foreach ((string name, ScheduleOptions schedule) in Of<ScheduleOptions>(values, "schedules"))
        {
            Require(root.ReadSection("schedules").ReadSection(name), "queue", schedule.Queue, declared);
        }

        foreach ((string name, SourceConfig source) in Of<SourceConfig>(values, "sources").Where(static pair => pair.Value.Enabled))
        {
            Require(root.ReadSection("sources").ReadSection(name), "into", source.Into, declared);
        }

        foreach ((string name, WorkerOptions pool) in Of<WorkerOptions>(values, "workers"))
        {
            Require(root.ReadSection("workers").ReadSection(name), "queue", pool.Queue, declared);
        }

        Require(root.ReadSection("intake").ReadSection("webhook"), "into", (values["intake"] as IntakeOptions)?.Webhook.Into ?? "", declared);
    }

    private static IReadOnlyDictionary<string, T> Of<T>(IReadOnlyDictionary<string, object> values, string section) =>
        values[section] as IReadOnlyDictionary<string, T> ?? new Dictionary<string, T>();

    private static void Require(SectionReader reader, string key, string queue, HashSet<string> declared)
    {
        if (queue.Length > 0 && !declared.Contains(queue))
        {
            string shown = Names.Shorten(queue);
            string near = Names.Nearest(queue, declared) is { } nearest ? $" Did you mean '{nearest}'?" : "";
            reader.AddError(
                key, $"{reader.Path}.{key} is '{shown}', which is no declared queue.{near} Declare it under queues, call AddQueue(\"{shown}\") in a module, or name one of {string.Join(", ", declared.Order(StringComparer.Ordinal).Take(20))}.");
        }
    }
}
