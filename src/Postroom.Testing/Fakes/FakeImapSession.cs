using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Postroom.Testing;

/// <summary>One connection of a <see cref="FakeImapServer"/>: what it reads, how it answers and fails, and the way in. What is done with mailboxes is in its other part.</summary>
/// <param name="server">The server.</param>
/// <param name="client">The connection.</param>
/// <param name="number">Its number, from 1.</param>
internal sealed partial class FakeImapSession(FakeImapServer server, TcpClient client, int number)
{
    private const int MaxCommand = 8_192; // RFC 7162 §4
    private const int MaxLiteral = 64 * 1024;

    private readonly FakeImapOptions _options = server.Options;
    private readonly HashSet<string> _tags = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _writing = new(1, 1);
    private Stream _stream = client.GetStream();
    private FakeInput _input = new(client.GetStream());
    private bool _knowsCapabilities;
    private bool _loggedIn;
    private string _tag = "";

    private bool IsSecure => _stream is SslStream;

    /// <summary>Talks until one side ends.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_options.ImplicitTls)
        {
            await EncryptAsync(cancellationToken);
        }

        if (_options.Script is { } script)
        {
            await PlayAsync(script, cancellationToken);
            return;
        }

        try
        {
            _loggedIn = _options.PreAuthenticated;
            bool open = await SayAsync(FakeImapStep.Greeting, $"* {(_loggedIn ? "PREAUTH" : "OK")} fake IMAP\r\n", cancellationToken);
            while (open && await ReadAsync(cancellationToken) is { } command)
            {
                Check(!_input.HasMore || command.Name == "LOGOUT", $"More came in the same piece behind {command.Name}.");
                Check(_tags.Add(command.Tag), $"The tag '{command.Tag}' was used before.");
                _tag = command.Tag;
                bool secret = command.Name is "LOGIN" or "AUTHENTICATE";
                server.Note(new FakeImapLine(number, secret ? $"{command.Name} {(command.Name == "LOGIN" ? "" : command[0] + " ")}***" : command.Line, IsSecure));
                open = await AnswerAsync(command, cancellationToken);
            }
        }
        finally
        {
            server.Open(this, isOpen: false);
        }
    }

    /// <summary>Says something that nobody asked for.</summary>
    public ValueTask SayUnaskedAsync(string text, CancellationToken cancellationToken) => WriteAsync(Encoding.Latin1.GetBytes(text), cancellationToken);

    private ValueTask<bool> AnswerAsync(FakeImapCommand command, CancellationToken cancellationToken) => command.Name switch
    {
        "CAPABILITY" => CapabilityAsync(cancellationToken),
        "STARTTLS" => StartTlsAsync(cancellationToken),
        "LOGIN" or "AUTHENTICATE" when !_loggedIn => LoginAsync(command, cancellationToken),
        "NOOP" => NoopAsync(cancellationToken),
        "LOGOUT" => LogoutAsync(cancellationToken),
        _ when !_loggedIn => ViolateAsync($"{command.Name} came before a login.", cancellationToken),
        "ID" when Offers("ID") => DoneAsync(FakeImapStep.Id, "* ID (\"name\" \"fake\")\r\n", cancellationToken),
        "ENABLE" when Offers("ENABLE") => DoneAsync(FakeImapStep.Enable, $"* ENABLED{string.Concat(command.Arguments.Where(Offers).Select(word => $" {word}"))}\r\n", cancellationToken),
        _ => AnswerMailboxAsync(command, cancellationToken),
    };

    private ValueTask<bool> CapabilityAsync(CancellationToken cancellationToken)
    {
        _knowsCapabilities = true;
        bool mayLogIn = IsSecure || _options.LoginInTheOpen;
        List<string> offers = ["IMAP4rev1"];
        if (_loggedIn)
        {
            offers.AddRange(_options.Capabilities);
        }
        else
        {
            offers.AddRange(_options.Capabilities.Where(capability => capability is "SASL-IR" or "LITERAL+" or "ID"));
            offers.AddRange(_options.StartTls && !IsSecure ? ["STARTTLS"] : []);
            offers.AddRange(mayLogIn ? _options.Logins.Select(way => $"AUTH={way}") : []);
            offers.AddRange(mayLogIn && _options.LoginCommand ? [] : ["LOGINDISABLED"]);
        }

        return DoneAsync(FakeImapStep.Capability, $"* CAPABILITY {string.Join(' ', offers)}\r\n", cancellationToken);
    }

    private async ValueTask<bool> StartTlsAsync(CancellationToken cancellationToken)
    {
        if (!_options.StartTls || IsSecure || _loggedIn)
        {
            return await ViolateAsync("STARTTLS was not offered.", cancellationToken);
        }

        FakeImapFault? fault = server.Take(FakeImapStep.StartTls);
        if (fault is not null and not FakeImapFault.Slow and not FakeImapFault.Inject and not FakeImapFault.First)
        {
            return await SayAsync(FakeImapStep.StartTls, fault, "", cancellationToken);
        }

        await SayAsync(FakeImapStep.StartTls, fault, $"{_tag} OK go on\r\n", cancellationToken);
        await EncryptAsync(cancellationToken);
        _knowsCapabilities = false;
        return true;
    }

    private async Task EncryptAsync(CancellationToken cancellationToken)
    {
        SslStream tls = new(_stream, leaveInnerStreamOpen: false);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = FakeCertificates.Get(_options.Certificate) }, cancellationToken);
        _stream = tls;
        _input = new FakeInput(tls);
    }

    private async ValueTask<bool> LoginAsync(FakeImapCommand command, CancellationToken cancellationToken)
    {
        Check(_knowsCapabilities, "A login came before the capabilities were asked for.");
        if (!IsSecure && !_options.LoginInTheOpen)
        {
            return await ViolateAsync("A login came unencrypted.", cancellationToken);
        }

        bool right;
        string shown = command[1];
        if (command.Name == "LOGIN")
        {
            if (!_options.LoginCommand)
            {
                return await ViolateAsync("LOGIN came although LOGINDISABLED was said.", cancellationToken);
            }

            right = command[0] == _options.Username && command[1] == _options.Password && command.Arguments.Count == 2;
        }
        else
        {
            string way = command[0].ToUpperInvariant();
            if (!_options.Logins.Contains(way))
            {
                return await ViolateAsync($"AUTHENTICATE {way} was not offered.", cancellationToken);
            }

            Check(command.Arguments.Count == 1 || Offers("SASL-IR"), "An initial response came without SASL-IR.");
            shown = command.Arguments.Count > 1 ? command[1] : await AskAsync("", cancellationToken);
            string expected = way == "PLAIN" ? $"\0{_options.Username}\0{_options.Password}" : $"user={_options.Username}\u0001auth=Bearer {_options.Password}\u0001\u0001";
            right = Decode(shown) == expected;
            if (!right && way == "XOAUTH2")
            {
                Check((await AskAsync(Convert.ToBase64String("""{"status":"401"}"""u8), cancellationToken)).Length == 0, "The answer to the reason of a refusal is an empty line.");
            }
        }

        // What was sent is shown again, as careless servers do.
        return right ? await DoneAsync(FakeImapStep.Login, "", cancellationToken, () => _loggedIn = true)
            : await SayAsync(FakeImapStep.Login, $"{_tag} NO [AUTHENTICATIONFAILED] no such login {shown}\r\n", cancellationToken);
    }

    private async ValueTask<bool> LogoutAsync(CancellationToken cancellationToken)
    {
        await SayAsync(FakeImapStep.Logout, $"* BYE see you\r\n{_tag} OK done\r\n", cancellationToken);
        return false;
    }

    /// <summary>Reads a command; null at the end of the connection.</summary>
    private async ValueTask<FakeImapCommand?> ReadAsync(CancellationToken cancellationToken)
    {
        List<string> pieces = [];
        List<string> literals = [];
        while (await _input.ReadLineAsync(cancellationToken) is { } line)
        {
            Check(line.Length <= MaxCommand, $"A command has {line.Length} characters.");
            Check(_input.LastLineWasWhole, "A line ended without CR.");
            int open = line.EndsWith('}') ? line.LastIndexOf('{') : -1;
            bool free = open >= 0 && line.EndsWith("+}", StringComparison.Ordinal);
            if (open < 0 || !int.TryParse(line.AsSpan(open + 1, line.Length - open - (free ? 3 : 2)), NumberStyles.None, CultureInfo.InvariantCulture, out int length))
            {
                pieces.Add(line);
                return FakeImapCommand.Of(pieces, literals) ?? await NoCommandAsync(line, cancellationToken);
            }

            Check(length <= MaxLiteral, $"A literal has {length} bytes.");
            Check(!free || Offers("LITERAL+"), "A literal came without being allowed to.");
            pieces.Add(line[..open]);
            if (!free)
            {
                Check(!_input.HasMore, "A literal came before it was allowed to.");
                await WriteAsync("+ go on\r\n"u8.ToArray(), cancellationToken);
            }

            literals.Add(Encoding.UTF8.GetString(await _input.ReadBytesAsync(length, cancellationToken)));
        }

        return null;
    }

    private async ValueTask<FakeImapCommand?> NoCommandAsync(string line, CancellationToken cancellationToken)
    {
        server.Violated($"'{line}' is no command.");
        await WriteAsync("* BAD no command\r\n"u8.ToArray(), cancellationToken);
        return await ReadAsync(cancellationToken);
    }

    private async ValueTask<string> AskAsync(string challenge, CancellationToken cancellationToken)
    {
        await WriteAsync(Encoding.ASCII.GetBytes($"+ {challenge}\r\n"), cancellationToken);
        return await _input.ReadLineAsync(cancellationToken) ?? throw new IOException("The client left within its login.");
    }

    /// <summary>Says what a conversation has for the server, and checks what it has for the client.</summary>
    private async Task PlayAsync(IReadOnlyList<string> script, CancellationToken cancellationToken)
    {
        foreach (string step in script)
        {
            string text = step[3..].Replace("{tag}", _tag, StringComparison.Ordinal);
            if (step.StartsWith("S: ", StringComparison.Ordinal))
            {
                await WriteAsync(Encoding.Latin1.GetBytes($"{text}\r\n"), cancellationToken);
                continue;
            }

            string line = await _input.ReadLineAsync(cancellationToken) ?? throw new IOException("The client left.");
            string[] words = line.Split(' ', 2);
            bool isCommand = text.StartsWith("* ", StringComparison.Ordinal) || !text.StartsWith("DONE", StringComparison.Ordinal);
            _tag = isCommand ? words[0] : _tag;
            string said = isCommand ? words.ElementAtOrDefault(1) ?? "" : line;
            server.Note(new FakeImapLine(number, said, IsSecure));
            if (!System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(text.Replace(@"\", @"\\", StringComparison.Ordinal), said, ignoreCase: false))
            {
                server.Violated($"'{said}' came where the script has '{text}'.");
                return;
            }
        }

        await _input.DrainAsync(cancellationToken);
    }

    private bool Offers(string capability) => _options.Capabilities.Contains(capability, StringComparer.OrdinalIgnoreCase);

    private ValueTask<bool> DoneAsync(FakeImapStep step, string data, CancellationToken cancellationToken, Action? done = null) =>
        SayAsync(step, server.Take(step), $"{data}{_tag} OK done\r\n", cancellationToken, done);

    private ValueTask<bool> RefuseAsync(FakeImapStep step, string status, CancellationToken cancellationToken) => SayAsync(step, $"{_tag} {status}\r\n", cancellationToken);

    private ValueTask<bool> ViolateAsync(string what, CancellationToken cancellationToken)
    {
        server.Violated(what);
        return SayAsync(FakeImapStep.Noop, fault: null, $"{_tag} BAD {what}\r\n", cancellationToken);
    }

    private ValueTask<bool> SayAsync(FakeImapStep step, string answer, CancellationToken cancellationToken) => SayAsync(step, server.Take(step), answer, cancellationToken);

    private ValueTask<bool> SayAsync(FakeImapStep step, FakeImapFault? fault, string answer, CancellationToken cancellationToken, Action? done = null) =>
        SayAsync(step, fault, Encoding.UTF8.GetBytes(answer), cancellationToken, done);

    /// <summary>Answers, or fails; returns whether the connection goes on. What is to be done is done before an answer of its own leaves.</summary>
    private async ValueTask<bool> SayAsync(FakeImapStep step, FakeImapFault? fault, byte[] answer, CancellationToken cancellationToken, Action? done = null)
    {
        switch (fault)
        {
            case FakeImapFault.Refuse(var text):
                await WriteAsync($"{_tag} {text}\r\n", cancellationToken);
                return true;
            case FakeImapFault.Say(var text):
                await WriteAsync(text, cancellationToken);
                return true;
            case FakeImapFault.Half(var bytes):
                await WriteAsync(answer.AsMemory(0, Math.Min(bytes, answer.Length)), cancellationToken);
                return await EndAsync();
            case FakeImapFault.Bye(var text):
                await WriteAsync($"* BYE {text}\r\n", cancellationToken);
                return await EndAsync();
            case FakeImapFault.Close:
                return await EndAsync();
            case FakeImapFault.Reset:
                client.LingerState = new LingerOption(enable: true, seconds: 0);
                client.Close();
                return false;
            case FakeImapFault.Silence:
                server.Silence(step).TrySetResult();
                await _input.DrainAsync(cancellationToken);
                return false;
            case FakeImapFault.Slow(var by):
                await Task.Delay(by, TimeProvider.System, cancellationToken);
                break;
            case FakeImapFault.First(var line, var count):
                byte[] one = Encoding.Latin1.GetBytes($"{line}\r\n");
                byte[] many = [.. Enumerable.Repeat(one, Math.Min(count, 1_000)).SelectMany(static bytes => bytes)];
                for (long left = count; left > 0; left -= 1_000)
                {
                    await WriteAsync(many.AsMemory(0, (int)Math.Min(left, 1_000) * one.Length), cancellationToken);
                }

                break;
            case FakeImapFault.Meanwhile(var action):
                action();
                break;
        }

        done?.Invoke();
        if (fault is FakeImapFault.Trickle(var size, var every))
        {
            for (int at = 0; at < answer.Length; at += size)
            {
                await WriteAsync(answer.AsMemory(at, Math.Min(size, answer.Length - at)), cancellationToken);
                await Task.Delay(every, TimeProvider.System, cancellationToken);
            }

            return true;
        }

        await WriteAsync(fault is FakeImapFault.Inject(var extra) ? [.. answer, .. Encoding.Latin1.GetBytes(extra)] : answer, cancellationToken);
        return true;

        Task<bool> EndAsync()
        {
            client.Client.Shutdown(SocketShutdown.Both);
            return Task.FromResult(false);
        }
    }

    private ValueTask WriteAsync(string text, CancellationToken cancellationToken) => WriteAsync(Encoding.Latin1.GetBytes(text.Replace("{tag}", _tag, StringComparison.Ordinal)), cancellationToken);

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await _stream.WriteAsync(bytes, cancellationToken);
            await _stream.FlushAsync(cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    private void Check(bool holds, string otherwise)
    {
        if (!holds)
        {
            server.Violated(otherwise);
        }
    }

    private static string Decode(string text)
    {
        try
        {
            return Encoding.UTF8.GetString(Convert.FromBase64String(text));
        }
        catch (FormatException)
        {
            return "";
        }
    }
}
