using System.Text.Json;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>Validates configuration and modules and lists what the program is composed of. Changes nothing.</summary>
internal static class CheckCommand
{
    /// <param name="arguments">The options.</param>
    /// <param name="preflight">Prints nothing when all is well.</param>
    /// <param name="schema">The version of the store's tables that the program has to know; null for any.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="configure">Registers what a program of one's own adds; null for the program of the command line.</param>
    public static async Task<int> RunAsync(HostArguments arguments, bool preflight, long? schema, CancellationToken cancellationToken, Action<IApplicationBuilder>? configure = null)
    {
        if (schema > SqliteStore.SchemaVersion)
        {
            throw new StoreOpenException(StoreOpenFailure.Newer, $"The store's tables have version {schema}, and this program ({HostedRuntime.ProgramVersion}) knows up to {SqliteStore.SchemaVersion}. Use a release that is as new as the one that wrote them.");
        }

        await using HostedRuntime host = HostedRuntime.Create(arguments, configure, standalone: configure is null, output: null);
        CompositionReport report = await host.Runtime.CheckAsync(cancellationToken);
        ConfigurationSnapshot settings = await host.Runtime.LoadSettingsAsync(cancellationToken);
        if (ControlPlaneKeys.MissingKey(settings.Get<ServerOptions>("server")) is { } problem && !KeepsKey(settings.Get<StoreOptions>("store")))
        {
            throw new ConfigurationException([problem]);
        }

        if (preflight)
        {
            return ExitCodes.Done;
        }

        if (arguments.Json)
        {
            Output.Json(report, HostJson.Default.CompositionReport);
            return ExitCodes.Done;
        }

        Output.List("Configuration files", report.Files.Count > 0 ? report.Files : [$"none; there is no postroom.yaml, .yml or .json in {Environment.CurrentDirectory}"]);
        Output.List("Modules", report.Modules);
        Output.List("Queues", report.Queues);
        Output.List("Handlers", report.Handlers);
        Output.List("Middleware, outermost first", report.Middleware);
        Output.List("Worker pools", report.Pools);
        Output.List("Communicators", report.Communicators);
        Output.List("Notices", report.Notices);
        Console.WriteLine(report.Notices.Count == 0 ? "The configuration is valid." : "The configuration is valid; mind the notices above.");
        return ExitCodes.Done;
    }

    /// <summary>Whether the store has a key that somebody made; one that cannot be looked at from here may have.</summary>
    private static bool KeepsKey(StoreOptions store)
    {
        if (store.Kind != "sqlite" || !File.Exists(store.Path))
        {
            return store.Kind is not ("memory" or "sqlite");
        }

        using SqliteJournalReader reader = SqliteJournalReader.Open(store.Path);
        return reader.Facts(FactScopes.ApiKey).Any(fact => JsonSerializer.Deserialize(fact.Value.Span, KeyJson.Default.StoredKey) is { } key && key.Name != ControlPlaneKeys.FirstKeyName);
    }
}
