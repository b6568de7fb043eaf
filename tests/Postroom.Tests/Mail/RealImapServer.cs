using System.Globalization;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>A real Dovecot over the mailboxes that Exim delivers into.</summary>
internal sealed class RealImapServer : IAsyncDisposable
{
    private readonly RealMailServer _mail;
    private readonly ServerProcess _process;
    private readonly int _port;

    private RealImapServer(RealMailServer mail, ServerProcess process, int port) => (_mail, _process, _port) = (mail, process, port);

    public static async Task<RealImapServer> StartAsync(RealMailServer mail, CancellationToken cancellationToken)
    {
        Assert.SkipUnless(File.Exists("/usr/sbin/dovecot") && Environment.UserName == "root", "Dovecot is not installed, or this is not root: apt-get install dovecot-imapd.");
        string d = Path.Combine(mail.Folder, "dovecot");
        foreach (string name in new[] { "run", "state" })
        {
            Directory.CreateDirectory(Path.Combine(d, name));
        }

        int port = ServerProcess.FreePort();
        await File.WriteAllTextAsync(Path.Combine(d, "users"), $"bot:{{PLAIN}}{RealMailServer.Password}\nuser:{{PLAIN}}{RealMailServer.Password}\n", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(d, "dovecot.conf"), Configuration(mail.Folder, port), cancellationToken);
        await ServerProcess.RunAsync("chgrp", ["dovecot", Path.Combine(d, "users")], cancellationToken);
        return new RealImapServer(mail, await ServerProcess.StartAsync("/usr/sbin/dovecot", ["-F", "-c", Path.Combine(d, "dovecot.conf")], port, cancellationToken), port);
    }

    /// <summary>Reads the inbox of <c>bot</c> or <c>user</c> with a reader that is not ours.</summary>
    public Task<IReadOnlyList<ReadMail>> ReadAsync(string user, CancellationToken cancellationToken) => ReadMail.FromImapAsync(_port, _mail.CaFile, user, RealMailServer.Password, cancellationToken);

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private static string Configuration(string folder, int port) => """
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
            port = 0
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
        .Replace("@DIR@", folder, StringComparison.Ordinal).Replace("@PORT@", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
