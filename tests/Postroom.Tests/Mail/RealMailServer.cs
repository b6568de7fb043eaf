using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>A real SMTP server in the foreground, on a free loopback port, with everything it writes in a folder of its own. Ended by its id.</summary>
internal sealed class RealMailServer : IAsyncDisposable
{
    public const string User = "bot@example.test";
    public const string Password = "s3cret-canary";

    private readonly TempFolder _folder = new();
    private ServerProcess? _process;

    private RealMailServer()
    {
        Furnish(_folder);
        Port = ServerProcess.FreePort();
    }

    /// <summary>Puts a certificate and its authority into the folder of a server, which runs as a user of its own.</summary>
    public static void Furnish(TempFolder folder)
    {
        SetMode(folder.Path, (UnixFileMode)0b111_001_001);
        X509Certificate2 certificate = FakeCertificates.Get(FakeCertificate.Valid);
        File.WriteAllText(folder.File("ca.pem"), FakeSmtpServer.AuthorityPem);
        File.WriteAllText(folder.File("cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(folder.File("key.pem"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
    }

    public int Port { get; }

    /// <summary>Where everything of it is.</summary>
    public string Folder => _folder.Path;

    public string CaFile => _folder.File("ca.pem");

    /// <summary>The mails it delivered, as files.</summary>
    public string[] Mails => [.. Directory.EnumerateFiles(_folder.File("mail"), "*", SearchOption.AllDirectories).Where(file => file.Contains("/new/", StringComparison.Ordinal))];

    /// <summary>Starts an Exim that takes mail for <c>example.test</c>.</summary>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <param name="others">The local parts it has mailboxes for, beside <c>bot</c> and <c>user</c>.</param>
    public static async Task<RealMailServer> StartEximAsync(CancellationToken cancellationToken, params IEnumerable<string> others)
    {
        Assert.SkipUnless(File.Exists("/usr/sbin/exim4") && Environment.UserName == "root", "Exim is not installed, or this is not root: apt-get install exim4-daemon-light.");
        RealMailServer server = new();
        string d = server._folder.Path;
        foreach (string name in new[] { "spool", "exlog", "mail" })
        {
            Directory.CreateDirectory(Path.Combine(d, name));
        }

        await File.WriteAllTextAsync(Path.Combine(d, "localparts"), string.Concat(others.Prepend("user").Prepend("bot").Select(name => $"{name}: {name}\n")), cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(d, "exim.conf"), EximConfiguration(d, server.Port), cancellationToken);
        await ServerProcess.RunAsync("chown", ["-R", "Debian-exim:", Path.Combine(d, "spool"), Path.Combine(d, "exlog"), Path.Combine(d, "mail")], cancellationToken);
        await ServerProcess.RunAsync("chgrp", ["Debian-exim", Path.Combine(d, "key.pem")], cancellationToken);
        SetMode(Path.Combine(d, "key.pem"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        return await server.RunAsync("/usr/sbin/exim4", ["-C", Path.Combine(d, "exim.conf"), "-bdf", "-q5s"], cancellationToken);
    }

    public static async Task<RealMailServer> StartAiosmtpdAsync(CancellationToken cancellationToken)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/aiosmtpd"), "aiosmtpd is not installed: apt-get install python3-aiosmtpd.");
        RealMailServer server = new();
        Directory.CreateDirectory(server._folder.File("mail/new"));
        return await server.RunAsync("/usr/bin/python3", ["-c", AiosmtpdProgram, server._folder.Path, server.Port.ToString(CultureInfo.InvariantCulture)], cancellationToken);
    }

    /// <summary>Waits until it delivered this many mails.</summary>
    public async Task<string[]> WaitForMailsAsync(int count, CancellationToken cancellationToken)
    {
        long begun = Stopwatch.GetTimestamp();
        while (Mails.Length < count)
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(90), $"Only {Mails.Length} of {count} mails were delivered.");
            await Task.Delay(TimeSpan.FromMilliseconds(50), cancellationToken);
        }

        return Mails;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            await process.DisposeAsync();
        }

        _folder.Dispose();
    }

    private static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    private async Task<RealMailServer> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        _process = await ServerProcess.StartAsync(program, arguments, Port, cancellationToken);
        return this;
    }

    private const string AiosmtpdProgram = """
        import sys, ssl, os, signal
        from aiosmtpd.controller import Controller
        from aiosmtpd.smtp import AuthResult
        D, port = sys.argv[1], int(sys.argv[2])
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); ctx.load_cert_chain(D + '/cert.pem', D + '/key.pem')
        def auth(server, session, envelope, mechanism, data):
            ok = data.login == b'bot@example.test' and data.password == b's3cret-canary'
            return AuthResult(success=ok, handled=ok)
        class H:
            count = 0
            async def handle_RCPT(self, server, session, envelope, address, opts):
                if address.startswith('nobody-here@'): return '550 5.1.1 no such user'
                if address.startswith('busy@'): return '451 4.3.0 try again later'
                envelope.rcpt_tos.append(address); return '250 2.1.5 OK'
            async def handle_DATA(self, server, session, envelope):
                H.count += 1
                path = '%s/mail/%d' % (D, H.count)
                open(path, 'wb').write(envelope.content)
                os.rename(path, '%s/mail/new/%d' % (D, H.count))
                return '250 2.0.0 queued'
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        c = Controller(H(), hostname='127.0.0.1', port=port, tls_context=ctx, auth_required=True, auth_require_tls=True, authenticator=auth, enable_SMTPUTF8=True)
        c.start(); signal.sigwait({signal.SIGTERM, signal.SIGINT}); c.stop()
        """;

    private static string EximConfiguration(string d, int port) => """
        primary_hostname = localhost
        domainlist local_domains = example.test
        exim_user = Debian-exim
        exim_group = Debian-exim
        deliver_drop_privilege = true
        never_users =
        spool_directory = @DIR@/spool
        log_file_path = @DIR@/exlog/%s.log
        pid_file_path = @DIR@/exim.pid
        process_log_path = @DIR@/exlog/process.log
        local_interfaces = 127.0.0.1
        daemon_smtp_ports = @PORT@
        tls_advertise_hosts = *
        tls_certificate = @DIR@/cert.pem
        tls_privatekey = @DIR@/key.pem
        auth_advertise_hosts = ${if def:tls_in_cipher {*}{}}
        host_lookup =
        rfc1413_query_timeout = 0s
        smtp_accept_max = 100
        smtp_accept_queue_per_connection = 1000
        acl_smtp_rcpt = acl_rcpt
        acl_smtp_data = accept
        message_size_limit = 50M
        keep_environment =
        add_environment = PATH=/bin:/usr/bin
        begin acl
        acl_rcpt:
          deny local_parts = nobody-here
               message = 550 5.1.1 no such user
          defer local_parts = busy
               message = 451 4.3.0 try again later
          accept authenticated = *
          deny message = relay not permitted
        begin routers
        local:
          driver = accept
          domains = +local_domains
          local_parts = lsearch;@DIR@/localparts
          transport = maildir
        begin transports
        maildir:
          driver = appendfile
          directory = @DIR@/mail/${local_part_data}
          maildir_format
          create_directory
          user = Debian-exim
          group = Debian-exim
          mode = 0600
          delivery_date_add
          envelope_to_add
          return_path_add
        begin retry
        * * F,1m,2s
        begin authenticators
        plain:
          driver = plaintext
          public_name = PLAIN
          server_prompts = :
          server_condition = ${if and{{eq{$auth2}{@USER@}}{eq{$auth3}{@PASSWORD@}}}}
          server_set_id = $auth2

        """
        .Replace("@DIR@", d, StringComparison.Ordinal).Replace("@PORT@", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("@USER@", User, StringComparison.Ordinal).Replace("@PASSWORD@", Password, StringComparison.Ordinal);
}
