namespace Postroom;

/// <summary>What becomes of occurrences that were missed while the runtime was down.</summary>
public enum MisfirePolicy
{
    /// <summary>One is fired for all of them.</summary>
    Once,

    /// <summary>None is fired.</summary>
    Skip,

    /// <summary>Each is fired, at most 100; the oldest are dropped and recorded.</summary>
    All,
}
