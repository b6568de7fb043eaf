namespace Postroom.Configuration;

/// <summary>The configuration of a running process, as the control plane and adapters see it. Safe for concurrent use.</summary>
public interface IRuntimeConfiguration
{
    /// <summary>The snapshot in force. Read it once per piece of work, so that the work sees one configuration.</summary>
    ConfigurationSnapshot Current { get; }

    /// <summary>What kept the last reload from being used; empty when the last one was good. Health then shows "configuration rejected".</summary>
    IReadOnlyList<ConfigurationProblem> Problems { get; }

    /// <summary>Tells of changes of one section, after they are in force, one at a time and in order.</summary>
    /// <typeparam name="T">The section's type.</typeparam>
    /// <param name="section">The section's name.</param>
    /// <param name="handler">Applies the change; its exception is logged and keeps no other subscriber from being told. It must not wait for a reload or an override.</param>
    /// <returns>Ends the subscription when disposed.</returns>
    IDisposable Subscribe<T>(string section, Func<SectionChange<T>, CancellationToken, ValueTask> handler)
        where T : class;

    /// <summary>Reads everything again, or goes back to the snapshot before the last reload.</summary>
    /// <param name="previous">Whether to go back instead.</param>
    /// <param name="cancellationToken">Ends the wait; a reload that has begun goes on for the others who wait for it.</param>
    /// <returns>The diff, or every problem.</returns>
    /// <remarks>Reloads begin at least a second apart; those asked for meanwhile share the next.</remarks>
    Task<ReloadResult> ReloadAsync(bool previous, CancellationToken cancellationToken);

    /// <summary>Builds and checks what would be in force if the platform file had another text; changes nothing.</summary>
    /// <param name="document">The text, YAML or JSON.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The diff it would make, or every problem; never applied.</returns>
    Task<ReloadResult> ValidateAsync(string document, CancellationToken cancellationToken);

    /// <summary>Sets or removes one override, which wins over every layer and lasts until the process ends.</summary>
    /// <param name="key">The path of the setting, such as <c>workers.orders.parallelism</c>.</param>
    /// <param name="value">The value as a file would have it, lists and maps as JSON; null removes the override.</param>
    /// <param name="persist">Whether the layer that can write (the database) keeps it after the process ends.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The diff, or every problem; then nothing has changed.</returns>
    Task<ReloadResult> SetOverrideAsync(string key, string? value, bool persist, CancellationToken cancellationToken);
}
