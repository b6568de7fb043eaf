namespace Postroom.Hosting;

/// <summary>Puts modules behind those they depend on, otherwise in the order they were registered.</summary>
internal static class ModuleOrder
{
    public static IReadOnlyList<IApplicationModule> Sort(IReadOnlyList<IApplicationModule> modules, ApplicationBuilder builder)
    {
        Dictionary<string, IApplicationModule> byName = new(StringComparer.Ordinal);
        foreach (IApplicationModule module in modules)
        {
            if (!Names.IsName(module.Name))
            {
                builder.AddProblem("modules", $"'{Names.Shorten(module.Name)}' is not a module name. {Names.Rule}");
            }
            else if (!byName.TryAdd(module.Name, module))
            {
                builder.AddProblem("modules", $"Two modules are named '{module.Name}'. Register one of them, or rename it.");
            }
        }

        List<IApplicationModule> sorted = [];
        HashSet<string> done = new(StringComparer.Ordinal);
        foreach (IApplicationModule module in byName.Values)
        {
            Visit(module, byName, sorted, done, [], builder);
        }

        return sorted;
    }

    private static void Visit(
        IApplicationModule module, Dictionary<string, IApplicationModule> byName, List<IApplicationModule> sorted, HashSet<string> done, HashSet<string> path, ApplicationBuilder builder)
    {
        if (done.Contains(module.Name))
        {
            return;
        }

        if (!path.Add(module.Name))
        {
            builder.AddProblem("modules", $"Modules depend on each other in a circle: {string.Join(" → ", path)} → {module.Name}. Remove one Depends.");
            return;
        }

        foreach (string needed in module.Depends)
        {
            if (byName.TryGetValue(needed, out IApplicationModule? other))
            {
                Visit(other, byName, sorted, done, path, builder);
            }
            else
            {
                builder.AddProblem("modules", $"Module '{module.Name}' depends on '{needed}', which is not registered. Register it, or remove it from Depends.");
            }
        }

        path.Remove(module.Name);
        if (done.Add(module.Name))
        {
            sorted.Add(module);
        }
    }
}
