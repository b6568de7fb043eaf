namespace Postroom;

/// <summary>What happens to a message for a label that no communicator has.</summary>
public enum UnroutablePolicy
{
    /// <summary>It ends Failed (unroutable), visible and replayable.</summary>
    Fail,

    /// <summary>It is dropped with a line at debug level.</summary>
    Drop,

    /// <summary>The call that emits it throws.</summary>
    Reject,
}
