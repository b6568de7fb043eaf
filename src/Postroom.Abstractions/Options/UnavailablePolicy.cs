namespace Postroom;

/// <summary>What happens to messages of a communicator that has not started.</summary>
public enum UnavailablePolicy
{
    /// <summary>They wait.</summary>
    Hold,

    /// <summary>They are Acked with receipt skipped.</summary>
    Drop,

    /// <summary>They end Failed.</summary>
    Fail,
}
