namespace Postroom;

/// <summary>What a key allows; each role includes those before.</summary>
public enum ServerRole
{
    /// <summary>Reading, without bodies.</summary>
    Viewer,

    /// <summary>Bodies, sending, replaying, pausing.</summary>
    Operator,

    /// <summary>Configuration, restart, keys, erasure.</summary>
    Admin,
}
