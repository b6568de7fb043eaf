using Postroom.Testing;
using Postroom.Tests.Mail;

namespace Postroom.EndToEnd.Tests.Apps;

/// <summary>Where the letters of a run arrive by SMTP: every one that was taken counts, also a repeat.</summary>
/// <param name="Port">The port of the server.</param>
/// <param name="Login">Whether it wants one.</param>
/// <param name="Count">How many there are so far.</param>
/// <param name="Read">The letters so far, as text.</param>
internal sealed record LetterBox(int Port, bool Login, Func<int> Count, Func<string[]> Read)
{
    /// <summary>That of a server in this process, which takes everything.</summary>
    public static LetterBox Of(FakeSmtpServer server) => new(server.Port, false, () => server.Mails.Count, () => [.. server.Mails.Select(mail => mail.Text)]);

    /// <summary>That of a real server, once it has delivered.</summary>
    public static LetterBox Of(RealMailServer server) => new(server.Port, true, () => server.Mails.Length, () => [.. server.Mails.Select(File.ReadAllText)]);
}
