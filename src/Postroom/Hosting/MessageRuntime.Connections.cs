using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;
using Postroom.Hosting;

namespace Postroom;

/// <content>Tries the connections of communicators and sources of a program that does not run.</content>
public sealed partial class MessageRuntime
{
    /// <summary>
    /// Composes, makes each communicator and source, and asks all at once that have an <see cref="IConnectionCheck"/> whether they could work. The store is not opened and
    /// nothing is started.
    /// </summary>
    /// <param name="limit">How long each may take; one that takes longer would not work.</param>
    /// <param name="cancellationToken">Ends the attempts.</param>
    /// <returns>A finding for each that is enabled, communicators first, each by name.</returns>
    /// <exception cref="ConfigurationException">Something is missing or invalid; every problem is listed. Nothing was tried.</exception>
    /// <exception cref="InvalidOperationException">The runtime has started: its health tells how it stands.</exception>
    public async Task<IReadOnlyList<ConnectionFinding>> CheckConnectionsAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        if (State != RuntimeState.Created)
        {
            throw new InvalidOperationException($"Connections are tried before the start, and the runtime is {State}. Ask its health instead.");
        }

        Composition composition = await ComposeAsync(cancellationToken);
        using RuntimeConfiguration configuration = composition.Configuration;
        await using ServiceProvider services = MakeServices(composition);
        (string Part, Func<object> Make)[] parts = [.. CommunicatorsOf(composition, services), .. SourcesOf(composition, services)];
        return await Task.WhenAll(parts.Select(part => Task.Run(() => TryAsync(part.Part, part.Make, configuration.Current, limit, cancellationToken), CancellationToken.None)));
    }

    private IEnumerable<(string Part, Func<object> Make)> CommunicatorsOf(Composition composition, IServiceProvider services)
    {
        CommunicatorFactory factory = new(services, Communications.Registered.Concat(composition.Builder.Backends), _setup.Loggers.CreateLogger("Postroom.Outbound"));
        CommunicationsConfig settings = composition.Get<CommunicationsConfig>("communications");
        IEnumerable<(string, Func<object>)> added = composition.Builder.Communicators.Select(added => ("communicator added by a module", (Func<object>)(() => added.Create(services))));
        return settings.Enabled
            ? added.Concat(settings.Backends.Where(static backend => backend.Value.Enabled).OrderBy(static backend => backend.Key, StringComparer.Ordinal)
                .Select(backend => ($"communicator {backend.Key}", (Func<object>)(() => factory.CreateCommunicator(backend.Key, backend.Value)))))
            : added;
    }

    private static IEnumerable<(string Part, Func<object> Make)> SourcesOf(Composition composition, IServiceProvider services)
    {
        IEnumerable<(string Name, Func<object> Make)> configured = composition.Get<IReadOnlyDictionary<string, SourceConfig>>("sources")
            .Where(source => source.Value.Enabled && composition.Builder.SourceTypes.ContainsKey(source.Value.Type))
            .Select(source => (source.Key, (Func<object>)(() => composition.Builder.SourceTypes[source.Value.Type](source.Key, source.Value, services))));
        IEnumerable<(string Name, Func<object> Make)> added = composition.Builder.Sources.Select(source => (source.Name, (Func<object>)(() => source.Create(services))));
        return added.Concat(configured)
            .OrderBy(static source => source.Name, StringComparer.Ordinal)
            .Select(static source => ($"source {source.Name}", source.Make));
    }

    private async Task<ConnectionFinding> TryAsync(string part, Func<object> make, ConfigurationSnapshot settings, TimeSpan limit, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = new(limit, _setup.Clock);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            object made = make();
            part = made is ICommunicator communicator ? $"communicator {communicator.Name}" : part;
            return made switch
            {
                NoOpCommunicator standIn => Of(false, standIn.Reason),
                INeedsFolder needs when settings.Sections.OfType<IMakesFolders>().Any(makes => makes.WillMake(needs.Folder)) => Of(true, $"'{needs.Folder}' does not exist yet, and the start makes it"),
                IConnectionCheck check => Of(true, await check.CheckConnectionAsync(ending.Token).AsTask().WaitAsync(ending.Token)),
                _ => Of(true, "cannot be tried from here"),
            };
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return Of(false, $"It did not answer in {Duration.Format(limit)}. Check its address in the settings, and whether a firewall is in between.");
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            return Of(false, e.Message);
        }

        ConnectionFinding Of(bool good, string text) => new(part, good, _setup.Redactor.Redact(text));
    }
}
