namespace Postroom.ControlPlane;

/// <summary>The key that the command line on the same machine uses, in a file only its owner can read (CP-3).</summary>
internal static class AdminKeyFile
{
    /// <summary>The name of the file inside the data directory.</summary>
    public const string Name = "admin.key";

    /// <summary>Writes the key with mode 0600, replacing an older one in one step.</summary>
    /// <returns>The path of the file.</returns>
    public static async Task<string> WriteAsync(string dataDirectory, string key, CancellationToken cancellationToken)
    {
        string path = Path.Combine(dataDirectory, Name);
        try
        {
            await WriteFileAsync(path, key, cancellationToken);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The key file '{path}' cannot be written: {e.Message.TrimEnd('.')}. The folder has to be one that this user can write and that has room; make it so, or set runtime.dataDirectory to another one.", e);
        }
    }

    private static async Task WriteFileAsync(string path, string key, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        string temporary = $"{path}.{Problem.NewId()}";
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            // Given at creation: a file made first and restricted later can be opened in between.
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            await using (StreamWriter writer = new(temporary, options))
            {
                await writer.WriteLineAsync(key.AsMemory(), cancellationToken);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>The key; null when there is no file or no key in it.</summary>
    public static async Task<string?> ReadAsync(string dataDirectory, CancellationToken cancellationToken)
    {
        string path = Path.Combine(dataDirectory, Name);
        if (!File.Exists(path))
        {
            return null;
        }

        string text = (await File.ReadAllTextAsync(path, cancellationToken)).Trim();
        return ApiKeys.IsWellFormed(text) ? text : null;
    }
}
