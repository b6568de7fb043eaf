namespace Postroom;

/// <summary>Optional for a communicator whose service allows only so many sends: the lane keeps to it before the service has to say so.</summary>
public interface IRateLimits
{
    /// <summary>The limits that one send falls under; each has a bucket of its own on the lane. Quick, and does not throw.</summary>
    /// <param name="message">What is to be sent.</param>
    /// <param name="recipient">Who gets it; null when label and settings decide.</param>
    IReadOnlyList<SendLimit> LimitsOf(OutgoingMessage message, Address? recipient);
}

/// <summary>A limit of a service.</summary>
/// <param name="Key">What shares it, such as <c>chat/-100123</c>; empty for the whole lane. At most 256 characters.</param>
/// <param name="Rate">How many sends in how long.</param>
/// <param name="Burst">How many may follow each other at once after a pause; at least 1.</param>
public sealed record SendLimit(string Key, Rate Rate, int Burst);
