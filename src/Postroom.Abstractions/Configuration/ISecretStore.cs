namespace Postroom.Configuration;

/// <summary>Gives the secrets that settings name as <c>${secret://store:key}</c>. Safe for concurrent use.</summary>
public interface ISecretStore
{
    /// <summary>The name before the colon, such as <c>file</c>.</summary>
    string Name { get; }

    /// <summary>The secret of a key.</summary>
    /// <param name="key">The text after the colon.</param>
    /// <param name="cancellationToken">Ends the read.</param>
    /// <returns>The secret, or null when the store has none of this key.</returns>
    /// <exception cref="SecretRefusedException">The secret exists and must not be used, for instance because others can read its file.</exception>
    ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken);
}
