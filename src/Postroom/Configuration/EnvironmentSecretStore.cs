namespace Postroom.Configuration;

/// <summary>Secrets of the environment: <c>${secret://env:NAME}</c>. Unlike <c>${NAME}</c> it makes the value a secret.</summary>
/// <param name="variables">The variables at the start of the process.</param>
public sealed class EnvironmentSecretStore(IReadOnlyDictionary<string, string> variables) : ISecretStore
{
    /// <inheritdoc/>
    public string Name => "env";

    /// <inheritdoc/>
    public ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken) => ValueTask.FromResult(variables.GetValueOrDefault(key));
}
