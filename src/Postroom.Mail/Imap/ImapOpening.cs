using System.Buffers.Text;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace Postroom.Mail;

/// <summary>Opens a connection up to the point where a mailbox can be opened: greeting, encryption, login, what the server can.</summary>
internal static class ImapOpening
{
    /// <summary>How long a server may take from the first packet to its greeting, the handshake included.</summary>
    internal static readonly TimeSpan GreetingTimeout = TimeSpan.FromSeconds(15);

    /// <summary>What is left of that for the greeting at least, however long the connection took.</summary>
    private static readonly TimeSpan LeastWait = TimeSpan.FromSeconds(5);

    /// <summary>Opens a connection.</summary>
    /// <param name="account">Where and how.</param>
    /// <param name="clock">Ends the waits.</param>
    /// <param name="onLogin">Is told when credentials are about to be sent.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="ImapConnectionException">It cannot be had, or not as safe as the settings ask; no credential was sent then.</exception>
    /// <exception cref="ImapLoginException">The server refuses the login.</exception>
    public static async Task<ImapConnection> OpenAsync(ImapAccount account, TimeProvider clock, Action? onLogin, CancellationToken cancellationToken)
    {
        try
        {
            long begun = clock.GetTimestamp();
            Socket socket = await MailTransport.ConnectAsync(account.Host, account.Port, clock, cancellationToken);
            ImapWire wire = new(account, socket, clock);
            try
            {
                return new ImapConnection(wire, await IntroduceAsync(wire, account, () => Least(account.Timeout, GreetingTimeout - clock.GetElapsedTime(begun)), onLogin, cancellationToken));
            }
            catch
            {
                await wire.DisposeAsync();
                throw;
            }
        }
        catch (MailConnectionException e)
        {
            throw new ImapConnectionException(e.Message, e);
        }
    }

    private static async Task<HashSet<string>> IntroduceAsync(ImapWire wire, ImapAccount account, Func<TimeSpan> left, Action? onLogin, CancellationToken cancellationToken)
    {
        MailEncryption encryption = MailEncryption.Of(account.Security, account.Port, account.HasLogin);
        if (encryption.FromTheFirstByte)
        {
            await EncryptAtOnceAsync(wire, account, left(), cancellationToken);
        }

        ImapResponse greeting = await GreetedAsync(wire, left(), cancellationToken);
        bool known = greeting.Name == "PREAUTH";
        if (greeting.Name is not ("OK" or "PREAUTH") || greeting.Tag != "*")
        {
            throw new ImapConnectionException($"{wire.Server} does not take the connection: {greeting.Name} {Names.Shorten(greeting.Text)}");
        }

        if (known && !wire.IsSecure)
        {
            // STARTTLS is no longer possible then, so whoever forges this greeting keeps the connection open to all (ML-2).
            throw new ImapConnectionException($"{wire.Server} greets a connection without encryption as one that is logged in already. Nothing was sent. Set security to implicit.");
        }

        HashSet<string> capabilities = await CapabilitiesAsync(wire, cancellationToken);
        if (!wire.IsSecure && await StartTlsAsync(wire, encryption, capabilities, account, cancellationToken))
        {
            capabilities = await CapabilitiesAsync(wire, cancellationToken);
        }

        if (!known)
        {
            await ImapLogin.RunAsync(wire, capabilities, account, onLogin, cancellationToken);
            capabilities = await CapabilitiesAsync(wire, cancellationToken);
        }

        wire.FreeLiterals = capabilities.Contains("LITERAL+");
        if (capabilities.Contains("ID"))
        {
            await TryAsync(wire, "ID", "(\"name\" \"Postroom\")", null, cancellationToken);
        }

        // Mailbox names are UTF-8 only once that was asked for and granted: OK alone grants nothing (RFC 6855 §3, RFC 5161 §3.1).
        bool granted = false;
        if (capabilities.Remove("UTF8=ACCEPT") && capabilities.Contains("ENABLE")
            && await TryAsync(wire, "ENABLE", "UTF8=ACCEPT", data => granted |= data.Name == "ENABLED" && data.Values.Any(value => value.Is("UTF8=ACCEPT")), cancellationToken) && granted)
        {
            capabilities.Add("UTF8=ACCEPT");
        }

        return capabilities;
    }

    private static TimeSpan Least(TimeSpan timeout, TimeSpan left) => timeout < LeastWait ? timeout : left < LeastWait ? LeastWait : timeout < left ? timeout : TimeSpan.FromSeconds(Math.Floor(left.TotalSeconds));

    private static async ValueTask EncryptAtOnceAsync(ImapWire wire, ImapAccount account, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await wire.EncryptAsync(account, limit, cancellationToken);
        }
        catch (MailConnectionException e) when (e.TimedOut || e.SpeaksNoTls)
        {
            throw new ImapConnectionException($"{wire.Server}: {e.Message} If the port speaks TLS only after STARTTLS, as 143 does, set security to starttls; otherwise check host and port.", e);
        }
    }

    private static async ValueTask<ImapResponse> GreetedAsync(ImapWire wire, TimeSpan silence, CancellationToken cancellationToken)
    {
        try
        {
            return await wire.ReadGreetingAsync(silence, cancellationToken);
        }
        catch (ImapConnectionException e) when (!wire.IsSecure && e.InnerException is TimeoutException)
        {
            // A server that waits for a handshake says nothing.
            throw new ImapConnectionException($"{e.Message} If the port speaks TLS from the first byte, as 993 does, set security to implicit; otherwise check host and port.", e);
        }
    }

    private static async ValueTask<bool> StartTlsAsync(ImapWire wire, MailEncryption encryption, HashSet<string> capabilities, ImapAccount account, CancellationToken cancellationToken)
    {
        if (encryption.IsRequired && !capabilities.Contains("STARTTLS"))
        {
            throw new ImapConnectionException($"{wire.Server} does not offer STARTTLS, which the settings require, so no credential was sent. Set security to implicit if the port speaks TLS from the first byte.");
        }

        if (!encryption.OnRequest || !capabilities.Contains("STARTTLS"))
        {
            return false;
        }

        try
        {
            await wire.RunAsync("STARTTLS", [], null, null, cancellationToken);
        }
        catch (ImapCommandException e)
        {
            // Offered and then refused: going on in the open is what an attacker in between would want.
            throw new ImapConnectionException($"{wire.Server} offers STARTTLS and refuses it, so no credential was sent. {e.Message}", e);
        }

        await wire.EncryptAsync(account, account.Timeout, cancellationToken);
        return true;
    }

    private static async ValueTask<HashSet<string>> CapabilitiesAsync(ImapWire wire, CancellationToken cancellationToken)
    {
        HashSet<string> capabilities = new(StringComparer.OrdinalIgnoreCase);
        try
        {
            await wire.RunAsync("CAPABILITY", [], data =>
            {
                if (data.Name == "CAPABILITY")
                {
                    capabilities.UnionWith(data.Values.Select(value => value.Text));
                }
            }, null, cancellationToken);
        }
        catch (ImapCommandException e)
        {
            throw new ImapConnectionException($"{wire.Server} does not say what it can. {e.Message}", e);
        }

        return capabilities;
    }

    private static async ValueTask<bool> TryAsync(ImapWire wire, string command, string argument, Action<ImapResponse>? onData, CancellationToken cancellationToken)
    {
        try
        {
            await wire.RunAsync(command, [argument], onData, null, cancellationToken);
            return true;
        }
        catch (ImapCommandException)
        {
            return false; // Of use, not of need.
        }
    }
}

/// <summary>Logs in: XOAUTH2 with a token, otherwise AUTHENTICATE PLAIN, or LOGIN where that is all there is.</summary>
internal static partial class ImapLogin
{
    /// <summary>What a server says that could take the login at another time (RFC 5530 §3; the last two are Gmail's and Yahoo's): nothing is wrong with the credentials.</summary>
    private static readonly string[] ForNow = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "OVERQUOTA", "THROTTLED"];

    /// <summary>The same in words, where there is no code or one that says nothing: Gmail's <c>[ALERT] Too many simultaneous connections. (Failure)</c>, Dovecot's <c>Temporary authentication failure</c>.</summary>
    private static readonly string[] WordsForNow =
        ["temporar", "try again", "try later", "connections", "unavailable", "not available", "busy", "internal error", "server error", "rate limit", "bandwidth", "timed out", "timeout", "overload"];

    /// <summary>Words of a refusal that speaks of trying again and means other credentials: <c>[ALERT] Invalid credentials (Failure)</c>, <c>Wrong password, try again</c>.</summary>
    private static readonly string[] WordsOfRefusal = ["credential", "password", "username", "user name", "invalid login", "web browser", "disabled"];

    /// <summary>Words of an account that is shut because of earlier tries: trying again soon keeps it shut, however temporary the server calls that. <see cref="AccountLock"/> has the others.</summary>
    private static readonly string[] WordsOfLock = ["failed login", "login failures"];

    /// <summary>Logs in.</summary>
    /// <exception cref="ImapLoginException">The server refuses the credentials, or offers no way that fits them.</exception>
    /// <exception cref="ImapConnectionException">The connection broke, or the server takes no login now.</exception>
    public static async ValueTask RunAsync(ImapWire wire, HashSet<string> capabilities, ImapAccount account, Action? onLogin, CancellationToken cancellationToken)
    {
        if (!account.HasLogin)
        {
            throw new ImapLoginException($"{wire.Server} wants a login. Set username and password, or accessToken.");
        }

        try
        {
            if (account.AccessToken is { } token)
            {
                await AuthenticateAsync(wire, capabilities, "XOAUTH2", $"user={account.Username}\u0001auth=Bearer {token.Reveal()}\u0001\u0001", onLogin, cancellationToken);
            }
            else if (capabilities.Contains("AUTH=PLAIN"))
            {
                await AuthenticateAsync(wire, capabilities, "PLAIN", $"\0{account.Username}\0{account.Password!.Reveal()}", onLogin, cancellationToken);
            }
            else if (!capabilities.Contains("LOGINDISABLED"))
            {
                onLogin?.Invoke();
                await wire.RunAsync("LOGIN", [ImapArgument.Of(account.Username), ImapArgument.Of(account.Password!.Reveal())], null, null, cancellationToken);
            }
            else
            {
                throw new ImapLoginException($"{wire.Server} allows no login here (LOGINDISABLED). Use a connection with TLS, or accessToken.");
            }
        }
        catch (ImapCommandException e) when (IsForNow(e))
        {
            throw new ImapConnectionException($"{wire.Server} takes no login now{(e.Code.Length == 0 ? "" : $" ({e.Code})")}: {Masked(e.Text, account)}");
        }
        catch (ImapCommandException e)
        {
            throw new ImapLoginException($"{wire.Server} refused the login of '{Names.Shorten(account.Username)}'{(e.Code.Length == 0 ? "" : $" ({Names.Shorten(e.Code)})")}: {Masked(e.Text, account).TrimEnd('.', ' ')}. Check username and password, or accessToken.");
        }
        catch (ImapConnectionException e) when (e.Said is { } said && Shows(said, account))
        {
            throw new ImapConnectionException($"{wire.Server} ended the connection within the login.");
        }
    }

    private static bool IsForNow(ImapCommandException refusal) => ForNow.Contains(refusal.Code)
        || (refusal.Code is "" or "ALERT" && Speaks(refusal, WordsForNow) && !IsLock(refusal) && (Speaks(refusal, ["temporar"]) || !Speaks(refusal, WordsOfRefusal)));

    private static bool IsLock(ImapCommandException refusal) => Speaks(refusal, WordsOfLock) || (AccountLock().IsMatch(refusal.Text) && !MailboxLock().IsMatch(refusal.Text));

    private static bool Speaks(ImapCommandException refusal, string[] of) => of.Any(word => refusal.Text.Contains(word, StringComparison.OrdinalIgnoreCase));

    private static string Masked(string text, ImapAccount account) => Shows(text, account) ? "(it repeats the credentials)" : Names.Shorten(text);

    /// <summary>Whether a text of the server shows what it was sent, as careless ones do.</summary>
    private static bool Shows(string text, ImapAccount account)
    {
        string secret = (account.AccessToken ?? account.Password!).Reveal();
        return text.Contains(secret, StringComparison.Ordinal)
            || text.Split(' ').Any(word => word.Length >= 8 && Base64.IsValid(word) && Encoding.UTF8.GetString(Convert.FromBase64String(word)).Contains(secret, StringComparison.Ordinal));
    }

    private static async ValueTask AuthenticateAsync(ImapWire wire, HashSet<string> capabilities, string way, string credentials, Action? onLogin, CancellationToken cancellationToken)
    {
        if (!capabilities.Contains($"AUTH={way}"))
        {
            throw new ImapLoginException($"{wire.Server} does not offer {way}. It offers {string.Join(", ", capabilities.Where(name => name.StartsWith("AUTH=", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal))}. Use password instead of accessToken.");
        }

        onLogin?.Invoke();
        string initial = Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials));
        bool atOnce = capabilities.Contains("SASL-IR"); // RFC 4959
        bool sent = atOnce;
        await wire.RunAsync("AUTHENTICATE", atOnce ? [way, initial] : [way], null, _ =>
        {
            // The reason of a refusal comes as a challenge; an empty line asks for the refusal itself.
            string line = sent ? "" : initial;
            sent = true;
            return line;
        }, cancellationToken);
    }

    [GeneratedRegex(@"\b(account|user|login)\b.*\blocked\b|\btemporarily locked\b|\blocked (out|account)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex AccountLock();

    /// <summary>What another session holds is free again soon.</summary>
    [GeneratedRegex(@"\b(mailbox|maildrop|folder|database)\b.{0,30}\blocked\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex MailboxLock();
}
