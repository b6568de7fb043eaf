namespace Postroom;

/// <summary>What SIGHUP does.</summary>
public enum SighupAction
{
    /// <summary>A runtime restart.</summary>
    Restart,

    /// <summary>A reload of the configuration.</summary>
    Reload,

    /// <summary>Nothing.</summary>
    Ignore,
}
