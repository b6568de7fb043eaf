namespace Postroom;

/// <summary>Whether an occurrence may begin while the former one is open.</summary>
public enum OverlapPolicy
{
    /// <summary>It may.</summary>
    Allow,

    /// <summary>It is skipped and recorded.</summary>
    Skip,
}
