using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Mail;

/// <summary>Settings of a source that reads a Maildir. Bound from <c>sources.{name}</c> with type <c>maildir</c>. Immutable (SPEC SR-17).</summary>
public sealed record MaildirSourceConfig : SourceConfig
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "maildir";

    /// <summary>Makes settings with defaults.</summary>
    [SetsRequiredMembers]
    public MaildirSourceConfig() => Type = Kind;

    [SetsRequiredMembers]
    private MaildirSourceConfig(SourceConfig common)
        : base(common)
    {
    }

    /// <summary>The folder that holds <c>cur</c>, <c>new</c> and <c>tmp</c>. Required.</summary>
    public string Path { get; init; } = "";

    /// <summary>The time from the end of a look to the next when nothing is heard of a change; 1 s to 1 day, 30 s unless set.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>When mails are moved and marked. <see cref="MarkPolicy.AfterAck"/> unless set.</summary>
    public MarkPolicy MarkSeen { get; init; }

    /// <summary>Whose mailbox it is, such as an address; a mail in two accounts is two messages. Null, the default, means the source's name.</summary>
    public string? Account { get; init; }

    /// <summary>The longest mail in bytes that is read as a whole; a longer one comes with its headers and the beginning of its text. 1 KiB to 100 MiB; 25 MiB unless set.</summary>
    public long MaxMessage { get; init; } = 25L << 20;

    /// <summary>How many mails are stored at a time, 1 to 1,000. 50 unless set.</summary>
    public int Batch { get; init; } = 50;

    /// <summary>Whose mail is taken: addresses in which <c>*</c> stands for any text. Empty, the default, takes all; other mail is left as it is.</summary>
    public IReadOnlyList<string> AcceptFrom { get; init; } = [];

    /// <summary>Whether the raw mail is kept as the attachment <c>message.eml</c>. False unless set.</summary>
    public bool KeepRaw { get; init; }

    /// <summary>Reads the settings and reports everything wrong with them; the schema to register with the type.</summary>
    /// <param name="common">The settings all sources have; they are copied.</param>
    /// <param name="reader">The settings of the source.</param>
    /// <returns>The settings; usable only when no error was reported.</returns>
    public static MaildirSourceConfig Read(SourceConfig common, SectionReader reader)
    {
        ArgumentNullException.ThrowIfNull(common);
        ArgumentNullException.ThrowIfNull(reader);
        FileSourceChecks.CheckReplyVia(common, reader);
        return new MaildirSourceConfig(common)
        {
            Path = FileSourceChecks.ReadPath(reader, "Say where the Maildir is, such as /home/orders/Maildir."),
            PollInterval = reader.ReadDuration("pollInterval", TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)),
            MarkSeen = reader.ReadWord("markSeen", MarkPolicy.AfterAck, ImapSourceConfig.MarkWords),
            Account = reader.ReadText("account"),
            MaxMessage = reader.ReadSize("maxMessage", 25L << 20, 1_024, 100L << 20),
            Batch = reader.ReadCount("batch", 50, 1, 1_000),
            AcceptFrom = reader.ReadTexts("acceptFrom"),
            KeepRaw = reader.ReadFlag("keepRaw", false),
        };
    }
}
