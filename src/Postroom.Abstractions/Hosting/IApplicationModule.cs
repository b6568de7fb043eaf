namespace Postroom;

/// <summary>An application describing itself to the runtime.</summary>
public interface IApplicationModule
{
    /// <summary>The module's name; see <see cref="Names.Rule"/>.</summary>
    string Name { get; }

    /// <summary>The module's version, for status.</summary>
    string Version { get; }

    /// <summary>Names of modules that start before this one; none unless overridden.</summary>
    IReadOnlyList<string> Depends => [];

    /// <summary>Registers queues, handlers, workers, sources, communicators and services. Runs once, before anything starts.</summary>
    void Configure(IApplicationBuilder app);
}

/// <summary>Optional for a module that works when the runtime starts or stops.</summary>
public interface IModuleLifecycle
{
    /// <summary>After communicators have started and before workers lease.</summary>
    Task OnStartedAsync(IServiceProvider services, CancellationToken cancellationToken);

    /// <summary>After workers have stopped and before communicators do.</summary>
    Task OnStoppingAsync(IServiceProvider services, CancellationToken cancellationToken);
}
