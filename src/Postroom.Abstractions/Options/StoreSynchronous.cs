namespace Postroom;

/// <summary>What a commit of the SQLite store survives.</summary>
public enum StoreSynchronous
{
    /// <summary>A power loss.</summary>
    Full,

    /// <summary>A crash of the process; the last commits may be lost when the machine fails.</summary>
    Normal,
}
