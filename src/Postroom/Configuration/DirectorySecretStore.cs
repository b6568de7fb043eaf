namespace Postroom.Configuration;

/// <summary>Secrets of a directory, one per file: <c>${secret://file:shop-mail}</c>. One line end at the end of the file is not part of it.</summary>
/// <param name="directory">The directory.</param>
public sealed class DirectorySecretStore(string directory) : ISecretStore
{
    /// <inheritdoc/>
    public string Name => "file";

    /// <inheritdoc/>
    public async ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken)
    {
        if (key is "." or ".." || key.AsSpan().ContainsAny("/\\\0"))
        {
            throw new SecretRefusedException("a key is the name of a file inside the directory, without a path.");
        }

        string? text = await SecretFile.ReadAsync(Path.Combine(directory, key), cancellationToken);
        return text is null ? null : text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
    }
}
