namespace Postroom.Host;

/// <summary>Tells the command line where the runtime of a data directory answers.</summary>
internal static class LiveAddress
{
    private const string FileName = "runtime.url";

    public static async Task<string?> ReadAsync(string dataDirectory, CancellationToken cancellationToken)
    {
        string file = Path.Combine(dataDirectory, FileName);
        return File.Exists(file) ? (await File.ReadAllTextAsync(file, cancellationToken)).Trim() : null;
    }

    public static Task WriteAsync(string dataDirectory, string address, CancellationToken cancellationToken)
    {
        return File.WriteAllTextAsync(Path.Combine(dataDirectory, FileName), address + "\n", cancellationToken);
    }
}
