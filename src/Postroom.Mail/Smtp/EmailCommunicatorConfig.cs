using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Mail;

/// <summary>Settings of a communicator that sends mail by SMTP. Bound from <c>communications.backends.{name}</c> with type <c>email</c>. Immutable (SPEC EM-1).</summary>
public sealed record EmailCommunicatorConfig : CommunicatorBackendConfig
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "email";

    /// <summary>Makes settings with defaults.</summary>
    [SetsRequiredMembers]
    public EmailCommunicatorConfig() => Type = Kind;

    [SetsRequiredMembers]
    private EmailCommunicatorConfig(CommunicatorBackendConfig common)
        : base(common)
    {
    }

    /// <summary>The server's name or address; its certificate must be for it. <c>localhost</c> unless set.</summary>
    public string Host { get; init; } = "localhost";

    /// <summary>The server's port, 1 to 65,535. 587 unless set.</summary>
    public int Port { get; init; } = 587;

    /// <summary>The name to log in with. Empty unless set, which means no login.</summary>
    public string Username { get; init; } = "";

    /// <summary>The password to log in with. Null, the default, means no login unless there is <see cref="AccessToken"/>.</summary>
    public Secret? Password { get; init; }

    /// <summary>An OAuth 2 token to log in with (XOAUTH2) instead of the password. Null, the default, means none.</summary>
    public Secret? AccessToken { get; init; }

    /// <summary>Who the mail is from: an address, or <c>Name &lt;address&gt;</c>. Required; empty only where that was reported.</summary>
    public string FromAddress { get; init; } = "";

    /// <summary>How the connection is encrypted. <see cref="MailSecurity.Auto"/> unless set.</summary>
    public MailSecurity Security { get; init; }

    /// <summary>A file of certificates in PEM, trusted beside the system's (SPEC ML-1). Null, the default, means none.</summary>
    public string? CaFile { get; init; }

    /// <summary>Who gets a message that names nobody. Empty unless set.</summary>
    public IReadOnlyList<string> DefaultRecipients { get; init; } = [];

    /// <summary>Who is asked to answer instead of the sender. Null, the default, means the sender.</summary>
    public string? ReplyTo { get; init; }

    /// <summary>The name this machine gives itself in <c>EHLO</c>. The machine's name unless set, or <c>localhost</c> where that is no host name.</summary>
    public string HeloName { get; init; } = DefaultHeloName;

    /// <summary>
    /// How long the server may take to answer a command, 1 s to 1 h. 60 s unless set; <c>DATA</c> has at least 2 m and the answer to a mail at least 10 m (RFC 5321 §4.5.3.2).
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The most recipients of one transaction, 1 to 1,000; more are sent in several. 100 unless set, which every server must take (RFC 5321 §4.5.3.1.8).</summary>
    public int MaxRecipients { get; init; } = 100;

    /// <summary>How many replies an hour go to one address, 1 to 1,000,000; further ones are held until then, and the log says so once (SPEC SE-10). 10 unless set.</summary>
    public int RepliesPerHour { get; init; } = 10;

    /// <summary>How long an idle connection is kept, up to 1 h; zero keeps none. 60 s unless set.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Whether there is something to log in with.</summary>
    internal bool HasLogin => Username.Length > 0 && (Password ?? AccessToken) is { IsEmpty: false };

    private static string DefaultHeloName => Ascii(Environment.MachineName) ? Environment.MachineName : "localhost";

    /// <summary>Reads the settings and reports everything wrong with them; the schema to register with the type.</summary>
    /// <param name="common">The settings all communicators have; they are copied.</param>
    /// <param name="reader">The settings of the communicator.</param>
    /// <returns>The settings; usable only when no error was reported.</returns>
    public static EmailCommunicatorConfig Read(CommunicatorBackendConfig common, SectionReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        int port = reader.ReadCount("port", 587, 1, 65_535);
        EmailCommunicatorConfig config = new(common)
        {
            Host = reader.ReadText("host", "localhost")!.Trim(),
            Port = port,
            Username = reader.ReadText("username", "")!,
            Password = reader.ReadSecret("password"),
            AccessToken = reader.ReadSecret("accessToken"),
            FromAddress = reader.RequireText("fromAddress", $"Say who the mail is from. {Mailbox.Rule}"),
            Security = ReadSecurity(reader, port),
            CaFile = reader.ReadText("caFile"),
            DefaultRecipients = reader.ReadTexts("defaultRecipients"),
            ReplyTo = reader.ReadText("replyTo"),
            HeloName = reader.ReadText("heloName", DefaultHeloName)!,
            Timeout = reader.ReadDuration("timeout", TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            MaxRecipients = reader.ReadCount("maxRecipients", 100, 1, 1_000),
            RepliesPerHour = reader.ReadCount("repliesPerHour", 10, 1, 1_000_000),
            KeepAlive = reader.ReadDuration("keepAlive", TimeSpan.FromSeconds(60), TimeSpan.Zero, TimeSpan.FromHours(1)),
        };
        config.CheckAddresses(reader);
        config.CheckServer(reader);
        config.CheckLogin(reader);
        return config;
    }

    private static MailSecurity ReadSecurity(SectionReader reader, int port)
    {
        bool useTls = reader.ReadFlag("useTls", true);
        bool startTls = reader.ReadFlag("startTls", false);
        MailSecurity security = reader.ReadWord("security", MailSecurity.Auto, MailServerChecks.SecurityWords);
        if (!reader.Has("useTls") && !reader.Has("startTls"))
        {
            return security;
        }

        string flags = reader.Has("useTls") ? "useTls" : "startTls";
        if (reader.Has("security"))
        {
            reader.AddNotice(flags, $"useTls and startTls are not read because security is set ({Word(security)}). Remove them.");
            return security;
        }

        security = MailEncryption.OfFlags(useTls, startTls, port);
        string written = $"useTls {(useTls ? "true" : "false")} and startTls {(startTls ? "true" : "false")} on port {port}";
        reader.AddNotice(flags, $"{written} are taken to mean security: {Word(security)}. Write that instead.");
        return security;
    }

    private static string Word(MailSecurity security) => Array.Find(MailServerChecks.SecurityWords, word => word.Value == security).Word;

    private static bool Ascii(string text) => System.Text.Ascii.IsValid(text) && Mailbox.IsDomain(text);

    private void CheckAddresses(SectionReader reader)
    {
        Check("fromAddress", FromAddress.Length == 0 ? null : FromAddress);
        Check("replyTo", ReplyTo);
        foreach (string recipient in DefaultRecipients)
        {
            Check("defaultRecipients", recipient);
        }

        void Check(string name, string? text)
        {
            if (text is not null && !Mailbox.TryParse(text, out _))
            {
                reader.AddError(name, $"{reader.Path}.{name} has '{Names.Shorten(text)}', which is no mail address. {Mailbox.Rule}");
            }
        }
    }

    private void CheckServer(SectionReader reader)
    {
        MailServerChecks.CheckServer(reader, Host, CaFile);
        if (!Ascii(HeloName))
        {
            reader.AddError("heloName", $"{reader.Path}.heloName is '{Names.Shorten(HeloName)}', which is no host name. Write one in ASCII, or an address in brackets such as [192.0.2.1].");
        }
    }

    private void CheckLogin(SectionReader reader)
    {
        MailServerChecks.CheckLogin(reader, Host, Security, Username, Password, AccessToken);
        if (!HasLogin && (Username.Length > 0 || Password is not null || AccessToken is not null))
        {
            reader.AddNotice("username", $"{reader.Path} does not log in: that needs username and either password or accessToken.");
        }
    }
}
