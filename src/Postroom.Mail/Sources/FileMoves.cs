using System.Globalization;

namespace Postroom.Mail;

/// <summary>Moves files without ever replacing one.</summary>
internal static class FileMoves
{
    private const int Most = 10_000;

    /// <summary>The names that a file may have in a folder, the first choice first: <c>a.csv</c>, <c>a.1.csv</c>, <c>a.2.csv</c>.</summary>
    public static IEnumerable<string> Variants(string name)
    {
        yield return name;
        string extension = Path.GetExtension(name);
        string stem = name[..^extension.Length];
        for (int number = 1; number < Most; number++)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{Shorten(stem)}.{number}{extension}");
        }

        // A name has at most 255 bytes; this leaves room for the number whatever the letters are.
        string Shorten(string text) => System.Text.Encoding.UTF8.GetByteCount(name) <= 245 ? text : text[..Math.Min(text.Length, 60)];
    }

    /// <summary>Moves a file under the first name that is free. Nothing happens when the file is gone.</summary>
    /// <exception cref="IOException">It cannot be moved, or 10,000 files have its name.</exception>
    public static void Move(string file, string folder, string name)
    {
        if (file == Path.Combine(folder, name))
        {
            return;
        }

        if (new DirectoryInfo(folder).LinkTarget is not null)
        {
            throw new IOException($"'{folder}' is a link, and files are moved into folders only. Put a folder in its place.");
        }

        foreach (string variant in Variants(name))
        {
            string target = Path.Combine(folder, variant);
            try
            {
                File.Move(file, target, overwrite: false);
                return;
            }
            catch (FileNotFoundException)
            {
                return;
            }
            catch (IOException) when (Path.Exists(target) && File.Exists(file))
            {
                // Taken: the next one.
            }
        }

        throw new IOException($"'{folder}' holds {Most} files of the name '{name}'. Move some of them away.");
    }
}
