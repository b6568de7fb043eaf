namespace MailOrderBot.Services;

/// <summary>A small shop to try the bot with: a catalogue, and orders in a drop folder and in a Maildir.</summary>
internal static class SampleShop
{
    private const string Prefix = "MailOrderBot.Samples.";
    private const string Inbox = "inbox";
    private const string Maildir = "maildir";
    private const string Mark = ".samples"; // made last: with it the folder was whole once, and what is missing was taken away

    private static readonly string[] Folders = [Inbox, "outbox", $"{Maildir}/new", $"{Maildir}/cur", $"{Maildir}/tmp"];

    /// <summary>Fills a folder with the samples, once: what is there already stays, folders that somebody made empty are filled, and what is taken away afterwards does not come back.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Furnish(string folder)
    {
        string shop = Path.GetFullPath(folder);
        if (File.Exists(Path.Combine(shop, Mark)))
        {
            return;
        }

        // Filled under another name first, and the mark moved last: whenever the process ends, the next start goes on. The folder itself may be there before, since
        // whoever writes the letters makes it too, and people make the folders of sources.
        string making = $"{shop}.making";
        if (Directory.Exists(making))
        {
            Directory.Delete(making, recursive: true);
        }

        foreach (string part in Folders)
        {
            Directory.CreateDirectory(Path.Combine(making, part));
        }

        foreach (string resource in typeof(SampleShop).Assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            string name = resource[Prefix.Length..];
            string path = name switch
            {
                "catalogue.csv" => name,
                "maildir.eml" => $"{Maildir}/new/1.sample",
                _ => $"{Inbox}/{name}",
            };
            using Stream from = typeof(SampleShop).Assembly.GetManifestResourceStream(resource)!;
            using FileStream to = File.Create(Path.Combine(making, path));
            from.CopyTo(to);
        }

        File.WriteAllText(Path.Combine(making, Mark), "The samples of the mail order bot were put here. What is taken away does not come back, unless this file goes too.\n");
        Directory.CreateDirectory(shop);
        foreach (string made in Directory.GetFileSystemEntries(making).OrderBy(static entry => Path.GetFileName(entry) == Mark))
        {
            Place(made, Path.Combine(shop, Path.GetFileName(made)));
        }

        Directory.Delete(making, recursive: true);
    }

    /// <summary>Whether the next start makes a folder with the samples.</summary>
    /// <param name="samples">The folder that is filled.</param>
    /// <param name="folder">The folder in question.</param>
    public static bool WillMake(string samples, string folder)
    {
        string shop = Path.GetFullPath(samples);
        return !Path.Exists(folder) && !File.Exists(Path.Combine(shop, Mark))
            && ((string[])[.. Folders, Maildir]).Any(part => Path.GetFullPath(Path.Combine(shop, part)) == Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
    }

    private static void Place(string made, string place)
    {
        if (!Path.Exists(place))
        {
            Directory.Move(made, place);
        }
        else if (Directory.Exists(made) && IsBare(made, place))
        {
            // Whoever made it may have given it rights of its own, so it is filled and not replaced.
            foreach (string folder in Directory.GetDirectories(made, "*", SearchOption.AllDirectories))
            {
                Directory.CreateDirectory(Path.Combine(place, Path.GetRelativePath(made, folder)));
            }

            foreach (string file in Directory.GetFiles(made, "*", SearchOption.AllDirectories))
            {
                File.Move(file, Path.Combine(place, Path.GetRelativePath(made, file)));
            }
        }
    }

    /// <summary>Whether a folder was made and not worked with yet: it has nothing but folders that the samples have too.</summary>
    private static bool IsBare(string made, string place) =>
        Directory.Exists(place)
        && Directory.GetFiles(place, "*", SearchOption.AllDirectories).Length == 0
        && Directory.GetDirectories(place, "*", SearchOption.AllDirectories).All(folder => Directory.Exists(Path.Combine(made, Path.GetRelativePath(place, folder))));
}
