namespace Postroom.Mail;

/// <summary>A connection to a mail server was not made, broke, or said what no such server says. Other than a refused command, it says nothing of the message.</summary>
/// <param name="message">What happened, without secrets.</param>
/// <param name="innerException">The cause; null for none.</param>
internal sealed class MailConnectionException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether it was silence: no use in asking again at once.</summary>
    public bool TimedOut { get; init; }

    /// <summary>Whether the other side speaks no TLS, rather than showing a certificate that is refused.</summary>
    public bool SpeaksNoTls { get; init; }
}
