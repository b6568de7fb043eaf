using System.Globalization;

namespace Postroom.Redis;

/// <summary>Where a server is and who connects to it, from a <c>redis://</c>, <c>rediss://</c> or <c>unix://</c> URL. It prints without user and password.</summary>
/// <remarks>
/// <c>redis[s]://[[user]:password@]host[:port][/database]</c> and <c>unix://[[user]:password@]/path[?db=database]</c>. User, password and path are percent-encoded;
/// an IPv6 address stands in brackets. <c>db</c>, <c>password</c> and <c>user</c> may be parameters too, as other clients write them.
/// </remarks>
internal sealed record RedisAddress
{
    /// <summary>The port where none is named.</summary>
    public const int DefaultPort = 6379;

    /// <summary>The host name or address; for a socket of this machine its path.</summary>
    public required string Host { get; init; }

    /// <summary>1 to 65,535; 0 for a socket of this machine.</summary>
    public int Port { get; init; } = DefaultPort;

    /// <summary>Whether the connection is TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>Whether <see cref="Host"/> is the path of a socket of this machine.</summary>
    public bool IsSocket { get; init; }

    /// <summary>The ACL user; null for the default one.</summary>
    public string? User { get; init; }

    /// <summary>The password; null for none.</summary>
    public Secret? Password { get; init; }

    /// <summary>The database, 0 to 16,383.</summary>
    public int Database { get; init; }

    /// <summary>Reads a URL.</summary>
    /// <exception cref="FormatException">It is none. The message says what is wrong and never shows the URL, which may hold a password.</exception>
    public static RedisAddress Parse(string url)
    {
        (string scheme, string rest) = url.Split("://", 2) is [string first, string second] ? (first.ToLowerInvariant(), second) : ("", "");
        if (scheme is not ("redis" or "rediss" or "unix"))
        {
            throw new FormatException("The address of a Redis server begins with redis://, rediss:// or unix://.");
        }

        string? parameters = null;
        if (rest.IndexOf('?', StringComparison.Ordinal) is >= 0 and int question)
        {
            (rest, parameters) = (rest[..question], rest[(question + 1)..]);
        }

        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        string authority = slash < 0 ? rest : rest[..slash];
        string path = slash < 0 ? "" : rest[(slash + 1)..];
        RedisAddress address = new() { Host = "" };
        if (authority.LastIndexOf('@') is >= 0 and int at)
        {
            string[] user = authority[..at].Split(':', 2);
            authority = authority[(at + 1)..];
            address = user is [string name, string password] ? address.WithUser(Decode(name), Decode(password)) : address.WithUser(Decode(user[0]), null);
        }

        address = scheme == "unix" ? OfSocket(address, authority, path) : OfHost(address with { Tls = scheme == "rediss" }, authority, path);
        return parameters is null ? address : WithParameters(address, parameters);
    }

    /// <summary>Reads <c>host:port</c>, or a URL.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static RedisAddress ParseHost(string text, int defaultPort, bool tls)
    {
        return text.Contains("://", StringComparison.Ordinal) ? Parse(text) : OfHost(new RedisAddress { Host = "", Port = defaultPort, Tls = tls }, text, "");
    }

    /// <inheritdoc/>
    public override string ToString() => IsSocket ? Host
        : Host.Contains(':', StringComparison.Ordinal) ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
        : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");

    private static RedisAddress OfSocket(RedisAddress address, string authority, string path)
    {
        return authority.Length > 0 || path.Length == 0
            ? throw new FormatException("The address of a socket has three slashes and a path: unix:///run/redis/redis.sock.")
            : address with { Host = "/" + Decode(path), Port = 0, IsSocket = true };
    }

    private static RedisAddress OfHost(RedisAddress address, string authority, string path)
    {
        string host = authority;
        string? port = null;
        if (authority.StartsWith('['))
        {
            int end = authority.IndexOf(']', StringComparison.Ordinal);
            host = end > 0 ? authority[1..end] : throw new FormatException("The address of a Redis server has an opening bracket without a closing one.");
            string behind = authority[(end + 1)..];
            port = behind.Length == 0 ? null : behind[0] == ':' ? behind[1..] : throw new FormatException("Behind the bracket of an IPv6 address stands only a colon with a port.");
        }
        else if (authority.IndexOf(':', StringComparison.Ordinal) is >= 0 and int colon)
        {
            (host, port) = (authority[..colon], authority[(colon + 1)..]);
            if (port.Contains(':', StringComparison.Ordinal))
            {
                throw new FormatException("An IPv6 address stands in brackets: redis://[::1]:6379.");
            }
        }

        host = Decode(host);
        return address with
        {
            Host = host.Length > 0 ? host : "localhost",
            Port = port is null ? address.Port : Number(port, 1, 65_535, "port"),
            Database = path.Length == 0 ? 0 : Number(path, 0, 16_383, "database, the number behind the slash,"),
        };
    }

    private static RedisAddress WithParameters(RedisAddress address, string parameters)
    {
        foreach (string parameter in parameters.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = parameter.Split('=', 2);
            string value = parts.Length == 2 ? Decode(parts[1]) : "";
            address = parts[0].ToLowerInvariant() switch
            {
                "db" => address with { Database = Number(value, 0, 16_383, "parameter db") },
                "password" => address.WithUser(address.User ?? "", value),
                "user" or "username" => address with { User = value.Length == 0 ? null : value },
                _ => throw new FormatException($"The address of a Redis server has the unknown parameter '{RespText.Show(parts[0])}'. Known are db, user and password."),
            };
        }

        return address;
    }

    private RedisAddress WithUser(string user, string? password) => this with
    {
        User = user.Length == 0 ? null : user,
        Password = string.IsNullOrEmpty(password) ? null : new Secret(password),
    };

    private static string Decode(string text) => Uri.UnescapeDataString(text);

    private static int Number(string text, int least, int most, string what)
    {
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
            ? number
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"The {what} of a Redis address is a number from {least} to {most}."));
    }
}
