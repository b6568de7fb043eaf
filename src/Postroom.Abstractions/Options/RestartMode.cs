namespace Postroom;

/// <summary>How the process replaces itself.</summary>
public enum RestartMode
{
    /// <summary>By exec on Unix, by a child elsewhere.</summary>
    Auto,

    /// <summary>By exec.</summary>
    Exec,

    /// <summary>By a child process that takes the sockets over.</summary>
    Child,

    /// <summary>Not at all: it ends with 75 and a supervisor starts it again.</summary>
    Exit,
}
