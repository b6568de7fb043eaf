namespace MailOrderBot.Services;

/// <summary>A small shop to try the bot with: a catalogue, and orders in a drop folder and in a Maildir.</summary>
internal static class SampleShop
{
    private const string Prefix = "MailOrderBot.Samples.";

    /// <summary>Fills a folder with the samples; one that exists stays as it is.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Furnish(string folder)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        // Filled under another name first: a folder that exists is a whole one, whenever the process ends.
        string making = $"{Path.GetFullPath(folder)}.making";
        if (Directory.Exists(making))
        {
            Directory.Delete(making, recursive: true);
        }

        foreach (string part in (string[])["inbox", "outbox", "maildir/new", "maildir/cur", "maildir/tmp"])
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
                _ => $"inbox/{name}",
            };
            using Stream from = typeof(SampleShop).Assembly.GetManifestResourceStream(resource)!;
            using FileStream to = File.Create(Path.Combine(making, path));
            from.CopyTo(to);
        }

        Directory.Move(making, Path.GetFullPath(folder));
    }
}
