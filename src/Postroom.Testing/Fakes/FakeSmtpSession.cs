using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Postroom.Testing;

/// <summary>One connection of a <see cref="FakeSmtpServer"/>.</summary>
/// <param name="server">The server.</param>
/// <param name="client">The connection.</param>
/// <param name="number">Its number, from 1.</param>
internal sealed class FakeSmtpSession(FakeSmtpServer server, TcpClient client, int number)
{
    private const long MaxMail = 64 << 20;
    private const int MaxCommand = 512; // RFC 5321 §4.5.3.1.4
    private const int MaxLogin = 12_288; // RFC 4954 §4

    private readonly FakeSmtpOptions _options = server.Options;
    private readonly List<string> _recipients = [];
    private Stream _stream = client.GetStream();
    private FakeSmtpInput _input = new(client.GetStream());
    private bool _hello;
    private string? _user;
    private string? _from;
    private string _parameters = "";

    private bool IsSecure => _stream is SslStream;

    /// <summary>Talks until one side ends.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_options.ImplicitTls)
        {
            await EncryptAsync(cancellationToken);
        }

        bool open = await SayAsync(FakeSmtpStep.Greeting, "220 fake ESMTP", cancellationToken);
        while (open && await _input.ReadLineAsync(cancellationToken) is { } line)
        {
            bool login = line.StartsWith("AUTH ", StringComparison.OrdinalIgnoreCase);
            Check(line.Length <= (login ? MaxLogin : MaxCommand), $"A command has {line.Length} bytes.");
            Check(_input.LastLineWasWhole, "A line ended without CR.");
            string[] words = line.Split(' ', 3);
            server.Note(new FakeSmtpLine(number, login ? $"AUTH {words.ElementAtOrDefault(1)} ***" : line, IsSecure));
            open = await AnswerAsync(words[0].ToUpperInvariant(), line, words, cancellationToken);
        }
    }

    private ValueTask<bool> AnswerAsync(string verb, string line, string[] words, CancellationToken cancellationToken)
    {
        CheckPipelining(verb);
        return verb switch
        {
            "EHLO" when _options.Ehlo => HelloAsync(words, cancellationToken),
            "EHLO" => SayAsync(FakeSmtpStep.Ehlo, "500 unknown command", cancellationToken),
            "HELO" => HelloAsync([words[0]], cancellationToken),
            "STARTTLS" => StartTlsAsync(cancellationToken),
            "AUTH" => AuthAsync(words, cancellationToken),
            "MAIL" => MailAsync(line, cancellationToken),
            "RCPT" => RcptAsync(line, cancellationToken),
            "DATA" => DataAsync(cancellationToken),
            "RSET" => ResetAsync(cancellationToken),
            "NOOP" => SayAsync(FakeSmtpStep.Noop, "250 2.0.0 OK", cancellationToken),
            "QUIT" => QuitAsync(cancellationToken),
            _ => ViolateAsync($"Unknown command '{verb}'.", "500 5.5.2 unknown command", cancellationToken),
        };
    }

    private ValueTask<bool> HelloAsync(string[] words, CancellationToken cancellationToken)
    {
        Forget();
        _hello = true;
        if (words.Length < 2)
        {
            return SayAsync(FakeSmtpStep.Ehlo, "250 fake", cancellationToken);
        }

        List<string> offers = ["fake greets"];
        Offer(_options.Pipelining, "PIPELINING");
        Offer(_options.EightBitMime, "8BITMIME");
        Offer(_options.SmtpUtf8, "SMTPUTF8");
        Offer(_options.EnhancedCodes, "ENHANCEDSTATUSCODES");
        Offer(_options.MaxBytes is not null, string.Create(CultureInfo.InvariantCulture, $"SIZE {_options.MaxBytes}"));
        Offer(_options.StartTls && !IsSecure, "STARTTLS");
        Offer(_options.Username is not null && (IsSecure || _options.LoginInTheOpen), $"AUTH {string.Join(' ', _options.Logins)}");
        return SayAsync(FakeSmtpStep.Ehlo, string.Join("\r\n", offers.Select((offer, i) => $"250{(i < offers.Count - 1 ? '-' : ' ')}{offer}")), cancellationToken);

        void Offer(bool offered, string what)
        {
            if (offered)
            {
                offers.Add(what);
            }
        }
    }

    private async ValueTask<bool> StartTlsAsync(CancellationToken cancellationToken)
    {
        if (!_options.StartTls || IsSecure)
        {
            return await ViolateAsync("STARTTLS was not offered.", "502 5.5.1 not offered", cancellationToken);
        }

        Check(!_input.HasMore, "The client sent bytes behind STARTTLS.");
        FakeSmtpFault? fault = server.Take(FakeSmtpStep.StartTls);
        if (fault is not null and not FakeSmtpFault.Slow and not FakeSmtpFault.Inject)
        {
            return await SayAsync(FakeSmtpStep.StartTls, fault, "", cancellationToken);
        }

        await SayAsync(FakeSmtpStep.StartTls, fault, "220 2.0.0 go on", cancellationToken);
        await EncryptAsync(cancellationToken);
        (_hello, _user) = (false, null);
        Forget();
        return true;
    }

    private async Task EncryptAsync(CancellationToken cancellationToken)
    {
        SslStream tls = new(_stream, leaveInnerStreamOpen: false);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = FakeCertificates.Get(_options.Certificate) }, cancellationToken);
        _stream = tls;
        _input = new FakeSmtpInput(tls);
    }

    private async ValueTask<bool> AuthAsync(string[] words, CancellationToken cancellationToken)
    {
        if (!IsSecure && !_options.LoginInTheOpen)
        {
            return await ViolateAsync("A login came unencrypted.", "538 5.7.11 encryption required", cancellationToken);
        }

        string way = words.ElementAtOrDefault(1)?.ToUpperInvariant() ?? "";
        if (!_hello || _options.Username is null || !_options.Logins.Contains(way) || _user is not null)
        {
            return await ViolateAsync($"AUTH {way} was not offered here.", "504 5.5.4 not offered", cancellationToken);
        }

        string? first = words.ElementAtOrDefault(2);
        bool right = false;
        switch (way)
        {
            case "PLAIN":
                right = Decode(first ?? await AskAsync("334 ", cancellationToken)) == $"\0{_options.Username}\0{_options.Password}";
                break;
            case "LOGIN":
                string name = Decode(first ?? await AskAsync("334 VXNlcm5hbWU6", cancellationToken));
                right = name == _options.Username && Decode(await AskAsync("334 UGFzc3dvcmQ6", cancellationToken)) == _options.Password;
                break;
            case "XOAUTH2":
                right = Decode(first ?? await AskAsync("334 ", cancellationToken)) == $"user={_options.Username}\u0001auth=Bearer {_options.Password}\u0001\u0001";
                if (!right)
                {
                    Check((await AskAsync($"334 {Convert.ToBase64String("""{"status":"401"}"""u8)}", cancellationToken)).Length == 0, "The answer to the reason of a refusal is an empty line.");
                }

                break;
        }

        _user = right ? _options.Username : null;
        return await SayAsync(FakeSmtpStep.Auth, right ? "235 2.7.0 welcome" : $"535 5.7.8 no such login {first}", cancellationToken);
    }

    private ValueTask<bool> MailAsync(string line, CancellationToken cancellationToken)
    {
        if (!_hello || _from is not null)
        {
            return ViolateAsync("MAIL came out of order.", "503 5.5.1 bad sequence", cancellationToken);
        }

        if (_options.Username is not null && _user is null)
        {
            return SayAsync(FakeSmtpStep.Mail, "530 5.7.0 log in first", cancellationToken);
        }

        if (FakeSmtpAddress.Read(line, "MAIL FROM:") is not var (address, parameters))
        {
            return ViolateAsync($"'{line}' is no MAIL command.", "501 5.5.4 syntax", cancellationToken);
        }

        foreach (string parameter in parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            bool known = parameter switch
            {
                "SMTPUTF8" => _options.SmtpUtf8,
                "BODY=8BITMIME" or "BODY=7BIT" => _options.EightBitMime,
                _ => parameter.StartsWith("SIZE=", StringComparison.Ordinal) && _options.MaxBytes is not null && long.TryParse(parameter[5..], NumberStyles.None, CultureInfo.InvariantCulture, out _),
            };
            if (!known || !_options.Ehlo)
            {
                return ViolateAsync($"MAIL parameter '{parameter}' was not offered.", "555 5.5.4 not offered", cancellationToken);
            }

            if (parameter.StartsWith("SIZE=", StringComparison.Ordinal) && long.Parse(parameter[5..], CultureInfo.InvariantCulture) > _options.MaxBytes)
            {
                return SayAsync(FakeSmtpStep.Mail, "552 5.3.4 too big", cancellationToken);
            }
        }

        _parameters = parameters;
        if (!CheckInternational(address))
        {
            return SayAsync(FakeSmtpStep.Mail, "553 5.6.7 international address", cancellationToken);
        }

        return SayAsync(FakeSmtpStep.Mail, "250 2.1.0 OK", cancellationToken, () => _from = address);
    }

    private ValueTask<bool> RcptAsync(string line, CancellationToken cancellationToken)
    {
        if (_from is null)
        {
            return SayAsync(FakeSmtpStep.Rcpt, "503 5.5.1 no sender", cancellationToken); // Pipelined behind a refused MAIL.
        }

        if (FakeSmtpAddress.Read(line, "RCPT TO:") is not var (address, _))
        {
            return ViolateAsync($"'{line}' is no RCPT command.", "501 5.5.4 syntax", cancellationToken);
        }

        string answer = !CheckInternational(address) ? "553 5.6.7 international address"
            : _recipients.Count >= _options.MaxRecipients ? "452 4.5.3 too many recipients"
            : server.RefusalOf(address) ?? "250 2.1.5 OK";
        return SayAsync(FakeSmtpStep.Rcpt, answer, cancellationToken, () => _recipients.Add(address));
    }

    private async ValueTask<bool> DataAsync(CancellationToken cancellationToken)
    {
        if (_from is null || _recipients.Count == 0)
        {
            return await SayAsync(FakeSmtpStep.Data, "554 5.5.1 no valid recipients", cancellationToken);
        }

        bool takes = false;
        bool open = await SayAsync(FakeSmtpStep.Data, "354 go on", cancellationToken, () => takes = true);
        if (!takes)
        {
            return open;
        }

        FakeSmtpFault? within = server.Take(FakeSmtpStep.Body);
        if (within is not null)
        {
            await _input.NeedAsync(cancellationToken);
            await SayAsync(FakeSmtpStep.Body, within, "", cancellationToken);
            if (within is not FakeSmtpFault.Slow)
            {
                return false; // What follows would be read as commands.
            }
        }

        (byte[]? mail, IReadOnlyList<string> complaints) = await _input.ReadMailAsync(_options.MaxBytes ?? MaxMail, cancellationToken);
        foreach (string complaint in complaints)
        {
            server.Violated(complaint);
        }

        if (mail is null)
        {
            return await SayAsync(FakeSmtpStep.Dot, "552 5.3.4 too big", cancellationToken);
        }

        Check(_parameters.Contains("8BITMIME", StringComparison.Ordinal) || mail.All(octet => octet < 128), "A mail has octets above 127 without BODY=8BITMIME.");
        FakeSmtpFault? fault = server.Take(FakeSmtpStep.Dot);
        if (fault is not FakeSmtpFault.Answer { Text: ['4' or '5', ..] })
        {
            server.Add(new FakeSmtpMail(_from, _parameters, [.. _recipients], mail, number, _user, IsSecure));
        }

        Forget();
        return await SayAsync(FakeSmtpStep.Dot, fault, "250 2.0.0 queued", cancellationToken);
    }

    private ValueTask<bool> ResetAsync(CancellationToken cancellationToken)
    {
        Forget();
        return SayAsync(FakeSmtpStep.Rset, "250 2.0.0 OK", cancellationToken);
    }

    private async ValueTask<bool> QuitAsync(CancellationToken cancellationToken)
    {
        await SayAsync(FakeSmtpStep.Quit, "221 2.0.0 bye", cancellationToken);
        return false;
    }

    private ValueTask<bool> ViolateAsync(string what, string answer, CancellationToken cancellationToken)
    {
        server.Violated(what);
        return SayAsync(FakeSmtpStep.Noop, fault: null, answer, cancellationToken);
    }

    private async ValueTask<string> AskAsync(string challenge, CancellationToken cancellationToken)
    {
        await SayAsync(FakeSmtpStep.Auth, fault: null, challenge, cancellationToken);
        string line = await _input.ReadLineAsync(cancellationToken) ?? throw new IOException("The client left within its login.");
        server.Note(new FakeSmtpLine(number, line.Length == 0 ? "" : "***", IsSecure));
        return line;
    }

    private ValueTask<bool> SayAsync(FakeSmtpStep step, string answer, CancellationToken cancellationToken, Action? done = null) =>
        SayAsync(step, server.Take(step), answer, cancellationToken, done);

    /// <summary>Answers, or fails; returns whether the connection goes on. What is to be done is done before a good answer of its own leaves.</summary>
    private async ValueTask<bool> SayAsync(FakeSmtpStep step, FakeSmtpFault? fault, string answer, CancellationToken cancellationToken, Action? done = null)
    {
        switch (fault)
        {
            case FakeSmtpFault.Answer(var text):
                await WriteAsync(text + "\r\n", cancellationToken);
                return !text.StartsWith("421", StringComparison.Ordinal);
            case FakeSmtpFault.Close:
                client.Client.Shutdown(SocketShutdown.Both);
                return false;
            case FakeSmtpFault.Reset:
                client.LingerState = new LingerOption(enable: true, seconds: 0);
                client.Close();
                return false;
            case FakeSmtpFault.Silence:
                server.Silence(step).TrySetResult();
                await _input.DrainAsync(cancellationToken);
                return false;
            case FakeSmtpFault.Slow(var by):
                await Task.Delay(by, TimeProvider.System, cancellationToken);
                break;
        }

        if (answer.Length > 0)
        {
            if (answer[0] is '2' or '3')
            {
                done?.Invoke();
            }

            await WriteAsync(Plain(answer) + "\r\n" + (fault is FakeSmtpFault.Inject(var extra) ? extra : ""), cancellationToken);
        }

        return true;
    }

    /// <summary>Without enhanced codes they are left out of the server's own answers.</summary>
    private string Plain(string answer)
    {
        string[] words = answer.Split(' ', 3);
        return _options.EnhancedCodes || words is not [_, ['2' or '4' or '5', '.', ..], _] ? answer : $"{words[0]} {words[2]}";
    }

    private async ValueTask WriteAsync(string text, CancellationToken cancellationToken)
    {
        await _stream.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
        await _stream.FlushAsync(cancellationToken);
    }

    private bool CheckInternational(string address) => _parameters.Contains("SMTPUTF8", StringComparison.Ordinal) || address.All(c => c < 128);

    /// <summary>Only RSET, MAIL and RCPT may be followed by more in the same piece (RFC 2920 §3.1).</summary>
    private void CheckPipelining(string verb) =>
        Check(!_input.HasMore || (_options.Pipelining && _options.Ehlo && verb is "RSET" or "MAIL" or "RCPT"), $"More came in the same piece behind {verb}.");

    private void Check(bool holds, string otherwise)
    {
        if (!holds)
        {
            server.Violated(otherwise);
        }
    }

    private void Forget()
    {
        _from = null;
        _parameters = "";
        _recipients.Clear();
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
