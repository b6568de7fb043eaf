using System.Net;

namespace Postroom.Chat;

/// <summary>What a service answered.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">The body; empty when it was cut off, or longer than is read.</param>
/// <param name="RetryAfter">How long it asks to wait; null when it does not.</param>
internal sealed record ServiceAnswer(HttpStatusCode Status, byte[] Body, TimeSpan? RetryAfter)
{
    /// <summary>Whether the body came whole; else it is empty.</summary>
    public bool IsWhole { get; init; } = true;

    /// <summary>The status as a number.</summary>
    public int Code => (int)Status;

    /// <summary>Whether the service did what it was asked.</summary>
    public bool Succeeded => Code is >= 200 and < 300;
}
