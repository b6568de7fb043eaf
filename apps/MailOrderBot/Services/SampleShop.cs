namespace MailOrderBot.Services;

/// <summary>A small shop to try the bot with: a catalogue, and orders in a drop folder and in a Maildir.</summary>
internal static class SampleShop
{
    private const string Prefix = "MailOrderBot.Samples.";
    private const string Inbox = "inbox";

    /// <summary>Fills a folder with the samples; one that has an inbox stays as it is, and so does whatever is there already.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Furnish(string folder)
    {
        if (Directory.Exists(Path.Combine(folder, Inbox)))
        {
            return;
        }

        // Filled under another name first, and the inbox moved last: a folder with an inbox is a whole one, whenever the process ends. The folder itself may be
        // there before, since whoever writes the letters makes it too.
        string making = $"{Path.GetFullPath(folder)}.making";
        if (Directory.Exists(making))
        {
            Directory.Delete(making, recursive: true);
        }

        foreach (string part in (string[])[Inbox, "outbox", "maildir/new", "maildir/cur", "maildir/tmp"])
        {
            Directory.CreateDirectory(Path.Combine(making, part));
        }

        foreach (string resource in typeof(SampleShop).Assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            string name = resource[Prefix.Length..];
            string path = name switch
            {
                "catalogue.csv" => name,
                "maildir.eml" => "maildir/new/1.sample",
                _ => $"{Inbox}/{name}",
            };
            using Stream from = typeof(SampleShop).Assembly.GetManifestResourceStream(resource)!;
            using FileStream to = File.Create(Path.Combine(making, path));
            from.CopyTo(to);
        }

        Directory.CreateDirectory(folder);
        foreach (string made in Directory.GetFileSystemEntries(making).OrderBy(static entry => Path.GetFileName(entry) == Inbox))
        {
            string place = Path.Combine(Path.GetFullPath(folder), Path.GetFileName(made));
            if (!Path.Exists(place))
            {
                Directory.Move(made, place);
            }
        }

        Directory.Delete(making, recursive: true);
    }
}
