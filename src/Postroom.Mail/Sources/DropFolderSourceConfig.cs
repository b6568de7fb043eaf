using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Mail;

/// <summary>Settings of a source that takes files from a folder. Bound from <c>sources.{name}</c> with type <c>folder</c>. Immutable (SPEC SR-17).</summary>
public sealed record DropFolderSourceConfig : SourceConfig
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "folder";

    /// <summary>Makes settings with defaults.</summary>
    [SetsRequiredMembers]
    public DropFolderSourceConfig() => Type = Kind;

    [SetsRequiredMembers]
    private DropFolderSourceConfig(SourceConfig common)
        : base(common)
    {
    }

    /// <summary>The folder. Required.</summary>
    public string Path { get; init; } = "";

    /// <summary>The names that are taken, in which <c>*</c> stands for any text and <c>?</c> for one letter, without case. <c>*</c> unless set; names that begin with a dot are never taken.</summary>
    public string Pattern { get; init; } = "*";

    /// <summary>How long length and time of a file must not have changed before it is read; 0 to 1 h, 2 s unless set. 0 is for folders into which files are moved when they are complete.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The time from the end of a look to the next when nothing is heard of a change; 1 s to 1 day, 30 s unless set.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>When files are moved. <see cref="MarkPolicy.AfterAck"/> unless set; with <see cref="MarkPolicy.Never"/> they stay, and at most 4,000 of them are remembered.</summary>
    public MarkPolicy MarkSeen { get; init; }

    /// <summary>The longest file in bytes that is taken, 1 to <see cref="Attachment.MaxLength"/>, which it is unless set; a longer one goes to <c>failed/</c>.</summary>
    public long MaxFile { get; init; } = Attachment.MaxLength;

    /// <summary>The longest mail in bytes that is read as a whole; a longer one comes with its headers and the beginning of its text. 1 KiB to 100 MiB; 25 MiB unless set.</summary>
    public long MaxMessage { get; init; } = 25L << 20;

    /// <summary>How many files are stored at a time, 1 to 1,000. 50 unless set.</summary>
    public int Batch { get; init; } = 50;

    /// <summary>Whether a raw mail is kept as the attachment <c>message.eml</c>. False unless set.</summary>
    public bool KeepRaw { get; init; }

    /// <summary>Reads the settings and reports everything wrong with them; the schema to register with the type.</summary>
    /// <param name="common">The settings all sources have; they are copied.</param>
    /// <param name="reader">The settings of the source.</param>
    /// <returns>The settings; usable only when no error was reported.</returns>
    public static DropFolderSourceConfig Read(SourceConfig common, SectionReader reader)
    {
        ArgumentNullException.ThrowIfNull(common);
        ArgumentNullException.ThrowIfNull(reader);
        FileSourceChecks.CheckReplyVia(common, reader);
        DropFolderSourceConfig config = new(common)
        {
            Path = FileSourceChecks.ReadPath(reader, "Say where the files are put, such as /srv/orders."),
            Pattern = reader.ReadText("pattern", "*")!,
            Settle = reader.ReadDuration("settle", TimeSpan.FromSeconds(2), TimeSpan.Zero, TimeSpan.FromHours(1)),
            PollInterval = reader.ReadDuration("pollInterval", TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)),
            MarkSeen = reader.ReadWord("markSeen", MarkPolicy.AfterAck, ImapSourceConfig.MarkWords),
            MaxFile = reader.ReadSize("maxFile", Attachment.MaxLength, 1, Attachment.MaxLength),
            MaxMessage = reader.ReadSize("maxMessage", 25L << 20, 1_024, 100L << 20),
            Batch = reader.ReadCount("batch", 50, 1, 1_000),
            KeepRaw = reader.ReadFlag("keepRaw", false),
        };
        if (config.Pattern.Length == 0 || config.Pattern.Contains('/', StringComparison.Ordinal))
        {
            reader.AddError("pattern", $"{reader.Path}.pattern is '{Names.Shorten(config.Pattern)}', but it is for the names of files in one folder. Write it like *.csv.");
        }

        return config;
    }
}
