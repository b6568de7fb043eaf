namespace Postroom.Configuration;

/// <summary>Reads a file that holds secrets: bounded, and only when others cannot read it.</summary>
internal static class SecretFile
{
    private const int MaxBytes = 1 << 20;
    private const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.GroupWrite;

    /// <summary>The text of the file, or null when there is none.</summary>
    /// <exception cref="SecretRefusedException">Others can read or change it, or it is no file of reasonable size.</exception>
    public static async ValueTask<string?> ReadAsync(string path, CancellationToken cancellationToken)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            return null;
        }

        // Mounted secrets are links; what counts is the file they lead to.
        file = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
        if (!OperatingSystem.IsWindows() && (file.UnixFileMode & Others) != 0)
        {
            throw new SecretRefusedException($"other users can read or change '{path}'. Run chmod 600 on it.");
        }

        if (file.Length > MaxBytes)
        {
            throw new SecretRefusedException($"'{path}' has {file.Length} bytes; a file of secrets has at most 1 MiB.");
        }

        return await File.ReadAllTextAsync(file.FullName, cancellationToken);
    }
}
