using Postroom.Configuration;

namespace Postroom.Host;

/// <summary>Tells the command line where the runtime of a store answers: a file beside the store, so that two runtimes in one folder do not share it, or in the data directory where the store is no file.</summary>
internal static class LiveAddress
{
    public static string FileOf(ConfigurationSnapshot settings)
    {
        StoreOptions store = settings.Get<StoreOptions>("store");
        return store.Kind is "memory" or "redis" ? Path.Combine(settings.Get<RuntimeOptions>("runtime").DataDirectory, "runtime.url") : store.Path + ".url";
    }

    public static async Task<string?> ReadAsync(ConfigurationSnapshot settings, CancellationToken cancellationToken)
    {
        string file = FileOf(settings);
        return File.Exists(file) ? (await File.ReadAllTextAsync(file, cancellationToken)).Trim() : null;
    }
}
