namespace Postroom.Redis;

/// <summary>What a server's refusal means for the store (RD-9).</summary>
internal enum RedisFault
{
    /// <summary>The command or its use is wrong; a bug here, nothing an operator can change.</summary>
    Command,

    /// <summary>The server cannot serve it now: it loads its data, is a replica, or has no master. The command did not run; it is tried again.</summary>
    NotNow,

    /// <summary>The server takes no more writes: memory is full, its disk fails, or replicas are missing. The command did not run; settles are tried on.</summary>
    NoRoom,

    /// <summary>User, password or permissions do not fit; tried at most every 5 s.</summary>
    Configuration,

    /// <summary>The script is not known; it is loaded and called again.</summary>
    NoScript,

    /// <summary>The consumer group is not there.</summary>
    NoGroup,

    /// <summary>The consumer group is there already.</summary>
    GroupExists,
}

/// <summary>The bytes of a server are no reply, or one beyond the bounds. The connection ends.</summary>
internal sealed class RespProtocolException(string message) : Exception(message);

/// <summary>A connection failed or ended, or a reply did not come in time.</summary>
internal sealed class RedisConnectionException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether the command may have reached the server, so that nobody knows whether it ran.</summary>
    public bool MayHaveRun { get; init; }
}

/// <summary>A server refused a command.</summary>
internal sealed class RedisException : Exception
{
    private RedisException(string message, string code, string text, RedisFault fault)
        : base(message)
    {
        Code = code;
        Text = text;
        Fault = fault;
    }

    /// <summary>The first word of the refusal, such as <c>WRONGTYPE</c>; <c>ERR</c> for none of its own.</summary>
    public string Code { get; }

    /// <summary>The whole refusal, short and in one line.</summary>
    public string Text { get; }

    /// <summary>What it means.</summary>
    public RedisFault Fault { get; }

    /// <summary>Makes the exception for a refusal.</summary>
    /// <param name="server">Which server, without user and password.</param>
    /// <param name="command">The name of the command; its arguments may be somebody's message or a password.</param>
    /// <param name="reply">The refusal.</param>
    public static RedisException For(string server, string command, in RespValue reply)
    {
        string text = RespText.Show(reply.AsText());
        int end = text.IndexOf(' ', StringComparison.Ordinal);
        string code = end < 0 ? text : text[..end];
        RedisFault fault = Classify(code, text);
        return new RedisException($"Redis {server} refused {command} ({text}).{Remedy(code, fault)}", code, text, fault);
    }

    private static RedisFault Classify(string code, string text) => code switch
    {
        "LOADING" or "READONLY" or "MASTERDOWN" or "TRYAGAIN" or "BUSY" or "CLUSTERDOWN" => RedisFault.NotNow,
        "OOM" or "MISCONF" or "NOREPLICAS" => RedisFault.NoRoom,
        "NOAUTH" or "WRONGPASS" or "NOPERM" or "MOVED" or "ASK" or "DENIED" => RedisFault.Configuration,
        "NOSCRIPT" => RedisFault.NoScript,
        "NOGROUP" => RedisFault.NoGroup,
        "BUSYGROUP" => RedisFault.GroupExists,
        "ERR" when text.Contains("max number of clients", StringComparison.Ordinal) => RedisFault.NotNow,
        "ERR" when text.Contains("invalid password", StringComparison.OrdinalIgnoreCase) || text.Contains("DB index is out of range", StringComparison.Ordinal)
            || text.Contains("AUTH <password> called without any password configured", StringComparison.Ordinal) => RedisFault.Configuration,
        _ => RedisFault.Command,
    };

    private static string Remedy(string code, RedisFault fault) => code switch
    {
        "OOM" => " Raise maxmemory, or let messages be worked off and compacted; nothing more is accepted until then.",
        "MISCONF" => " The server cannot write its data to its disk; free the disk. Nothing more is accepted until then.",
        "NOREPLICAS" => " Fewer replicas are connected than min-replicas-to-write; bring them back. Nothing more is accepted until then.",
        "NOAUTH" => " The server wants a password; write it into redis.url, as redis://user:password@host.",
        "WRONGPASS" => " User or password in redis.url is wrong.",
        "NOPERM" => " The user in redis.url may not do this; ACL SETUSER on the server allows it.",
        "MOVED" or "ASK" => " The server is part of a cluster that keeps this prefix elsewhere; name that node in redis.url.",
        _ when fault == RedisFault.NotNow => " It is tried again.",
        _ => "",
    };
}
