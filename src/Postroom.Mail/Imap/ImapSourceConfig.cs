using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Mail;

/// <summary>Settings of a source that reads a mailbox by IMAP. Bound from <c>sources.{name}</c> with type <c>imap</c>. Immutable (SPEC SR-9).</summary>
public sealed record ImapSourceConfig : SourceConfig
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "imap";

    private static readonly (string, ImapMode)[] ModeWords = [("polling", ImapMode.Polling), ("idle", ImapMode.Idle), ("auto", ImapMode.Auto)];

    /// <summary>How the words of <c>markSeen</c> are read.</summary>
    internal static readonly (string, MarkPolicy)[] MarkWords = [("afterAck", MarkPolicy.AfterAck), ("afterAccept", MarkPolicy.AfterAccept), ("never", MarkPolicy.Never)];

    /// <summary>Makes settings with defaults.</summary>
    [SetsRequiredMembers]
    public ImapSourceConfig() => Type = Kind;

    [SetsRequiredMembers]
    private ImapSourceConfig(SourceConfig common)
        : base(common)
    {
    }

    /// <summary>The server's name or address; its certificate must be for it. Required.</summary>
    public string Host { get; init; } = "";

    /// <summary>The server's port, 1 to 65,535. 993 unless set.</summary>
    public int Port { get; init; } = 993;

    /// <summary>How the connection is encrypted. <see cref="MailSecurity.Auto"/> unless set.</summary>
    public MailSecurity Security { get; init; }

    /// <summary>A file of certificates in PEM, trusted beside the system's (SPEC ML-1). Null, the default, means none.</summary>
    public string? CaFile { get; init; }

    /// <summary>The name to log in with. Required.</summary>
    public string Username { get; init; } = "";

    /// <summary>The password to log in with. Required unless there is <see cref="AccessToken"/>.</summary>
    public Secret? Password { get; init; }

    /// <summary>An OAuth 2 token to log in with (XOAUTH2) instead of the password. Null, the default, means none.</summary>
    public Secret? AccessToken { get; init; }

    /// <summary>The mailbox. <c>INBOX</c> unless set.</summary>
    public string Mailbox { get; init; } = "INBOX";

    /// <summary>How it is watched. <see cref="ImapMode.Polling"/> unless set.</summary>
    public ImapMode Mode { get; init; }

    /// <summary>The time from the end of a look to the next, changed by up to 10 % at random; 1 s to 1 day, 60 s unless set.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often is looked although IDLE says nothing; 1 s to 1 day, 5 m unless set.</summary>
    public TimeSpan SafetyPoll { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long one IDLE may last; 1 s to 29 m (RFC 2177 §3), 9 m unless set.</summary>
    public TimeSpan IdleRenew { get; init; } = TimeSpan.FromMinutes(9);

    /// <summary>How long the server may be silent while it owes an answer; 1 s to 1 h, 60 s unless set.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>When mails are marked read. <see cref="MarkPolicy.AfterAck"/> unless set.</summary>
    public MarkPolicy MarkSeen { get; init; }

    /// <summary>The keyword that a mail gets whose message was given up; such mails are not picked up. <c>$ProcessingFailed</c> unless set.</summary>
    public string FailedKeyword { get; init; } = "$ProcessingFailed";

    /// <summary>The longest mail in bytes that is read as a whole; a longer one comes with its headers and the beginning of its text. 1 KiB to 100 MiB; 25 MiB unless set.</summary>
    public long MaxMessage { get; init; } = 25L * 1024 * 1024;

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
    public static ImapSourceConfig Read(SourceConfig common, SectionReader reader)
    {
        ArgumentNullException.ThrowIfNull(common);
        ArgumentNullException.ThrowIfNull(reader);
        ImapSourceConfig config = new(common)
        {
            Host = reader.RequireText("host", "Say where the mailbox is, such as mail.example.org.").Trim(),
            Port = reader.ReadCount("port", 993, 1, 65_535),
            Security = reader.ReadWord("security", MailSecurity.Auto, MailServerChecks.SecurityWords),
            CaFile = reader.ReadText("caFile"),
            Username = reader.RequireText("username", "Say who logs in."),
            Password = reader.ReadSecret("password"),
            AccessToken = reader.ReadSecret("accessToken"),
            Mailbox = reader.ReadText("mailbox", "INBOX")!,
            Mode = reader.ReadWord("mode", ImapMode.Polling, ModeWords),
            PollInterval = reader.ReadDuration("pollInterval", TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)),
            SafetyPoll = reader.ReadDuration("safetyPoll", TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)),
            IdleRenew = reader.ReadDuration("idleRenew", TimeSpan.FromMinutes(9), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(29)),
            Timeout = reader.ReadDuration("timeout", TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            MarkSeen = reader.ReadWord("markSeen", MarkPolicy.AfterAck, MarkWords),
            FailedKeyword = reader.ReadText("failedKeyword", "$ProcessingFailed")!,
            MaxMessage = reader.ReadSize("maxMessage", 25L << 20, 1_024, 100L << 20),
            Batch = reader.ReadCount("batch", 50, 1, 1_000),
            AcceptFrom = reader.ReadTexts("acceptFrom"),
            KeepRaw = reader.ReadFlag("keepRaw", false),
        };
        config.Check(reader);
        return config;
    }

    /// <summary>Where the mailbox is and how to get in.</summary>
    internal ImapAccount Account => new()
    {
        Host = Host,
        Port = Port,
        Security = Security,
        CaFile = CaFile,
        Username = Username,
        Password = Password,
        AccessToken = AccessToken,
        Timeout = Timeout,
        MaxLiteral = MaxMessage + (1L << 20),
    };

    private void Check(SectionReader reader)
    {
        MailServerChecks.CheckServer(reader, Host, CaFile);
        MailServerChecks.CheckLogin(reader, Host, Security, Username, Password, AccessToken);
        if ((Password ?? AccessToken) is null or { IsEmpty: true } && !reader.IsBroken("password") && !reader.IsBroken("accessToken"))
        {
            reader.AddError("password", $"{reader.Path} has neither password nor accessToken, and a mailbox needs one. Write it as a reference, such as ${{secret://file:{reader.Path[(reader.Path.IndexOf('.', StringComparison.Ordinal) + 1)..]}}}.");
        }

        if (Mailbox.Length is 0 or > 255 || Mailbox.Any(char.IsControl))
        {
            reader.AddError("mailbox", $"{reader.Path}.mailbox is '{Names.Shorten(Mailbox)}', which no mailbox is called. Write its name, such as INBOX or INBOX/Orders.");
        }

        if (FailedKeyword.Length is 0 or > 64 || !FailedKeyword.All(c => HeaderText.IsAtom(c) && c is not ('{' or '%' or '*')))
        {
            reader.AddError("failedKeyword", $"{reader.Path}.failedKeyword is '{Names.Shorten(FailedKeyword)}', which is no keyword (RFC 3501 flag-keyword). Use letters, digits, '$' and '_'.");
        }

        if (ReplyVia is { } via && !Names.IsCommunicatorName(via))
        {
            reader.AddError("replyVia", $"{reader.Path}.replyVia is '{Names.Shorten(via)}', which no communicator can be named. {Names.CommunicatorRule}");
        }
    }
}
