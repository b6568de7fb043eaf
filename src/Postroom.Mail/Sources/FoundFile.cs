using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Postroom.Mail;

/// <summary>One file as a look into a folder found it. A file of the same name with another length or time is another file.</summary>
/// <param name="Name">Its name in its folder.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="ModifiedAt">When it was written last.</param>
internal sealed record FoundFile(string Name, long Length, DateTimeOffset ModifiedAt)
{
    /// <summary>What a message names it by. A name may hold anything but a slash, and a header may not.</summary>
    public string Key => string.Create(CultureInfo.InvariantCulture, $"{Length}.{ModifiedAt.UtcTicks}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(Name))}");

    /// <summary>Tells it from others in 16 bytes.</summary>
    public Guid Fingerprint => new(SHA256.HashData(Encoding.UTF8.GetBytes(Key)).AsSpan(0, 16));

    /// <summary>Looks at a path; null when no plain file is there.</summary>
    public static FoundFile? At(string folder, string name)
    {
        FileInfo file = new(Path.Combine(folder, name));
        return IsPlain(file) ? Of(file) : null;
    }

    /// <summary>The plain files of a folder whose names do not begin with a dot, in no order. Links are not followed.</summary>
    public static IEnumerable<FoundFile> In(string folder)
    {
        EnumerationOptions all = new() { AttributesToSkip = FileAttributes.Directory | FileAttributes.ReparsePoint | FileAttributes.Device, ReturnSpecialDirectories = false, IgnoreInaccessible = false };
        foreach (FileInfo file in new DirectoryInfo(folder).EnumerateFiles("*", all))
        {
            FoundFile? found = null;
            try
            {
                found = !file.Name.StartsWith('.') && IsPlain(file) ? Of(file) : null;
            }
            catch (IOException)
            {
                // Gone meanwhile.
            }

            if (found is not null)
            {
                yield return found;
            }
        }
    }

    /// <summary>Reads a key; null when it is none.</summary>
    public static FoundFile? OfKey(string key)
    {
        string[] parts = key.Split('.');
        if (parts.Length != 3 || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out long length)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long ticks) || ticks > DateTimeOffset.MaxValue.Ticks)
        {
            return null;
        }

        try
        {
            string name = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(parts[2]));
            return name.Length > 0 && name == Path.GetFileName(name) && name is not ("." or "..") && !name.Contains('\0', StringComparison.Ordinal)
                ? new FoundFile(name, length, new DateTimeOffset(ticks, TimeSpan.Zero))
                : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static bool IsPlain(FileInfo file) => file.Exists && (file.Attributes & (FileAttributes.Directory | FileAttributes.ReparsePoint | FileAttributes.Device)) == 0;

    private static FoundFile Of(FileInfo file) => new(file.Name, file.Length, new DateTimeOffset(file.LastWriteTimeUtc, TimeSpan.Zero));
}
