namespace Postroom.Mail;

/// <summary>Whether folders can be worked in.</summary>
internal static class FolderAccess
{
    /// <summary>The folder itself or, where it does not exist, the nearest above it that does: what is missing would be made there.</summary>
    public static string NearestOf(string folder)
    {
        string there = Path.GetFullPath(folder);
        while (!Path.Exists(there) && Path.GetDirectoryName(there) is { } parent)
        {
            there = parent;
        }

        return there;
    }

    /// <summary>Returns when files can be made in a folder or, where it does not exist, in the one it would be made in. Nothing is left behind.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="cancellationToken">Is looked at before.</param>
    /// <exception cref="IOException">They cannot.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    public static void RequireWritable(string folder, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();

        // Sources and mail programs pass over names that begin with a dot.
        string probe = Path.Combine(NearestOf(folder), $".postroom-{Guid.NewGuid():N}");
        using FileStream made = new(probe, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose });
    }
}
