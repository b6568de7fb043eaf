namespace Postroom.Mail;

/// <summary>Where in the dialogue an answer came.</summary>
internal enum SmtpStep
{
    /// <summary>Before any message: greeting, EHLO, STARTTLS.</summary>
    Opening,

    /// <summary>The login.</summary>
    Login,

    /// <summary>The sender, a recipient, or the wish to send data.</summary>
    Envelope,

    /// <summary>The mail itself, after its final dot.</summary>
    Mail,
}

/// <summary>The server refused a command. The connection is whole unless it was 421.</summary>
/// <param name="step">Where.</param>
/// <param name="command">The command's name, without its arguments.</param>
/// <param name="reply">The answer.</param>
internal sealed class SmtpRefusedException(SmtpStep step, string command, SmtpReply reply) : Exception($"{command} was answered with {(step == SmtpStep.Login ? reply.Codes : reply)}")
{
    /// <summary>Where.</summary>
    public SmtpStep Step { get; } = step;

    /// <summary>The answer.</summary>
    public SmtpReply Reply { get; } = reply;
}
