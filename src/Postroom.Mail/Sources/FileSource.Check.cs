using System.Globalization;

namespace Postroom.Mail;

/// <content>Looks whether the folder can be worked in.</content>
public abstract partial class FileSource
{
    /// <summary>Looks whether the folder is there and can be read, and whether files can be moved out of it: for that a hidden empty file is made and deleted at once.</summary>
    /// <inheritdoc/>
    public ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
    {
        Require();
        try
        {
            long files = FoundFile.In(Folder).Take(MostFound).LongCount();
            string[] changed = [.. Changed.Select(Path.GetFullPath)];
            foreach (string folder in changed)
            {
                FolderAccess.RequireWritable(folder, cancellationToken);
            }

            return new(string.Create(CultureInfo.InvariantCulture, $"'{Folder}' can be read{(changed.Length > 0 ? " and its files moved" : "")}, {files} file{(files == 1 ? "" : "s")} in it"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The files of '{Folder}' cannot be {(e is UnauthorizedAccessException or DirectoryNotFoundException ? "read and moved" : "moved")}: {e.Message} Let user '{Environment.UserName}' read and write there, or set sources.{Name}.path.", e);
        }
    }

    /// <summary>The folders that files are moved out of and into; empty when they stay.</summary>
    private protected abstract IEnumerable<string> Changed { get; }

    /// <summary>Throws, with what to do, unless the folder is there.</summary>
    private protected abstract void Require();
}
