using System.Globalization;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>A real Dovecot over mailboxes in Maildirs: those that Exim delivers into, or its own.</summary>
internal sealed class RealImapServer : IAsyncDisposable
{
    private readonly string _folder;
    private readonly TempFolder? _own;
    private ServerProcess? _process;
    private int _delivered;

    private RealImapServer(string folder, TempFolder? own) => (_folder, _own) = (folder, own);

    /// <summary>The port with TLS from the first byte.</summary>
    public int Port { get; } = ServerProcess.FreePort();

    /// <summary>The port with STARTTLS, which takes no login before it.</summary>
    public int PlainPort { get; } = ServerProcess.FreePort();

    public string CaFile => Path.Combine(_folder, "ca.pem");

    public static async Task<RealImapServer> StartAsync(RealMailServer mail, CancellationToken cancellationToken)
    {
        RealImapServer server = new(mail.Folder, null);
        await server.StartAsync(cancellationToken);
        return server;
    }

    /// <summary>Starts one without Exim, over an empty mailbox of <c>bot</c>.</summary>
    public static async Task<RealImapServer> StartAloneAsync(CancellationToken cancellationToken)
    {
        TempFolder folder = new();
        RealMailServer.Furnish(folder);
        foreach (string name in new[] { "new", "cur", "tmp" })
        {
            Directory.CreateDirectory(Path.Combine(folder.Path, "mail", "bot", name));
        }

        await ServerProcess.RunAsync("chown", ["-R", "Debian-exim:", folder.File("mail")], cancellationToken);
        RealImapServer server = new(folder.Path, folder);
        await server.StartAsync(cancellationToken);
        return server;
    }

    /// <summary>Ends it and its connections, and starts it again on the same ports.</summary>
    /// <param name="between">What is done while nothing listens.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task RestartAsync(Action between, CancellationToken cancellationToken)
    {
        await _process!.DisposeAsync();
        between();
        await StartAsync(cancellationToken);
    }

    /// <summary>Puts a mail into the mailbox of <c>bot</c>, as a delivery would.</summary>
    public string Deliver(string mail)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow.ToUnixTimeSeconds()}.M{Interlocked.Increment(ref _delivered):000000}P1.test");
        string file = Path.Combine(MailDir, "tmp", name);
        File.WriteAllText(file, mail.ReplaceLineEndings("\r\n"));
        File.Move(file, Path.Combine(MailDir, "new", name));
        return name;
    }

    /// <summary>The flags of a mail as they are on disk: <c>S</c> for read, keywords as they are called.</summary>
    public string FlagsOf(string name)
    {
        string? file = Directory.EnumerateFiles(Path.Combine(MailDir, "cur"), $"{name}*").FirstOrDefault();
        string letters = file is not null && file.IndexOf(":2,", StringComparison.Ordinal) is > 0 and var at ? file[(at + 3)..] : "";
        string[] keywords = File.Exists(Path.Combine(MailDir, "dovecot-keywords")) ? File.ReadAllLines(Path.Combine(MailDir, "dovecot-keywords")) : [];
        return string.Join(' ', letters.Select(letter => !char.IsAsciiLetterLower(letter) ? letter.ToString() : letter - 'a' < keywords.Length ? keywords[letter - 'a'].Split(' ')[1] : "(not named yet)"));
    }

    /// <summary>Makes the numbers of the mails mean others: the server forgets those it gave.</summary>
    public void ForgetNumbers()
    {
        foreach (string file in Directory.EnumerateFiles(MailDir, "dovecot*").Where(file => !file.EndsWith("keywords", StringComparison.Ordinal)))
        {
            File.Delete(file);
        }
    }

    private string MailDir => Path.Combine(_folder, "mail", "bot");

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        Assert.SkipUnless(File.Exists("/usr/sbin/dovecot") && Environment.UserName == "root", "Dovecot is not installed, or this is not root: apt-get install dovecot-imapd.");
        string d = Path.Combine(_folder, "dovecot");
        foreach (string name in new[] { "run", "state" })
        {
            Directory.CreateDirectory(Path.Combine(d, name));
        }

        await File.WriteAllTextAsync(Path.Combine(d, "users"), $"bot:{{PLAIN}}{RealMailServer.Password}\nuser:{{PLAIN}}{RealMailServer.Password}\n", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(d, "dovecot.conf"), Configuration(_folder, Port, PlainPort), cancellationToken);
        await ServerProcess.RunAsync("chgrp", ["dovecot", Path.Combine(d, "users")], cancellationToken);
        _process = await ServerProcess.StartAsync("/usr/sbin/dovecot", ["-F", "-c", Path.Combine(d, "dovecot.conf")], Port, cancellationToken);
    }

    /// <summary>Reads the inbox of <c>bot</c> or <c>user</c> with a reader that is not ours.</summary>
    public Task<IReadOnlyList<ReadMail>> ReadAsync(string user, CancellationToken cancellationToken) => ReadMail.FromImapAsync(Port, CaFile, user, RealMailServer.Password, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _process!.DisposeAsync();
        _own?.Dispose();
    }

    private static string Configuration(string folder, int port, int plainPort) => """
        base_dir = @DIR@/dovecot/run
        state_dir = @DIR@/dovecot/state
        log_path = @DIR@/dovecot/dovecot.log
        protocols = imap
        listen = 127.0.0.1
        ssl = required
        ssl_cert = <@DIR@/cert.pem
        ssl_key = <@DIR@/key.pem
        default_internal_user = dovecot
        default_internal_group = dovecot
        default_login_user = dovenull
        imap_idle_notify_interval = 10s
        mail_max_userip_connections = 200
        first_valid_uid = 1
        first_valid_gid = 1
        mail_location = maildir:@DIR@/mail/%n
        passdb {
          driver = passwd-file
          args = scheme=PLAIN username_format=%n @DIR@/dovecot/users
        }
        userdb {
          driver = static
          args = uid=Debian-exim gid=Debian-exim home=@DIR@/mail/%n
        }
        namespace inbox {
          inbox = yes
          separator = /
        }
        service imap-login {
          chroot =
          inet_listener imap {
            port = @PLAIN@
          }
          inet_listener imaps {
            port = @PORT@
            ssl = yes
          }
        }
        service anvil {
          chroot =
        }
        service stats {
          chroot =
        }

        """
        .Replace("@DIR@", folder, StringComparison.Ordinal).Replace("@PORT@", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal).Replace("@PLAIN@", plainPort.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
