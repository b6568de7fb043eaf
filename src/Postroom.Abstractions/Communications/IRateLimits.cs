namespace Postroom;

/// <summary>Optional for a communicator whose service allows only so many sends: the lane keeps to it before the service has to say so.</summary>
public interface IRateLimits
{
    /// <summary>The limits that one send falls under; each has a bucket of its own on the lane. Quick, and does not throw.</summary>
    /// <param name="message">What is to be sent.</param>
    /// <param name="recipient">Who gets it; null when label and settings decide.</param>
    IReadOnlyList<SendLimit> LimitsOf(OutgoingMessage message, Address? recipient);

    /// <summary>
    /// Who gets a send, the same for every way to name them, so that all of it waits when the service says that they were sent too much (LN-4). Quick, and does not throw.
    /// </summary>
    /// <param name="recipient">The address of the message or signal; null for none.</param>
    /// <param name="label">The label, which decides without a recipient.</param>
    /// <returns>At most 256 characters; null when the address or the label says it, as it does unless this is implemented.</returns>
    string? RecipientOf(Address? recipient, string label) => null;
}

/// <summary>A limit of a service.</summary>
/// <param name="Key">What shares it, such as <c>chat/-100123</c>; empty for the whole lane. At most 256 characters.</param>
/// <param name="Rate">How many sends in how long.</param>
/// <param name="Burst">How many may follow each other at once after a pause; at least 1.</param>
public sealed record SendLimit(string Key, Rate Rate, int Burst);
