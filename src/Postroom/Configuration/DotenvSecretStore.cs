namespace Postroom.Configuration;

/// <summary>Secrets of a file with lines <c>NAME=value</c>: <c>${secret://dotenv:NAME}</c>.</summary>
/// <remarks><c>export</c> before a name, quotes around a value, blank lines and lines that begin with <c>#</c> are understood; nothing is expanded.</remarks>
/// <param name="path">The file.</param>
public sealed class DotenvSecretStore(string path) : ISecretStore
{
    /// <inheritdoc/>
    public string Name => "dotenv";

    /// <inheritdoc/>
    public async ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken)
    {
        string? found = null;
        string text = await SecretFile.ReadAsync(path, cancellationToken) ?? "";
        foreach (string line in text.Split('\n').Select(line => line.Trim()))
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || line[0] == '#')
            {
                continue;
            }

            string name = line[..equals].TrimEnd();
            name = name.StartsWith("export ", StringComparison.Ordinal) ? name[7..].TrimStart() : name;
            if (name == key)
            {
                found = Unquote(line[(equals + 1)..].Trim());
            }
        }

        return found;
    }

    private static string Unquote(string value) => value is ['"', .., '"'] or ['\'', .., '\''] ? value[1..^1] : value;
}
