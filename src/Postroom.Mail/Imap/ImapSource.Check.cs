using System.Globalization;

namespace Postroom.Mail;

/// <content>Tries the login and looks at the mailbox, beside what runs.</content>
public sealed partial class ImapSource
{
    /// <summary>Logs in by a connection of its own and looks at the mailbox with <c>EXAMINE</c>, which changes nothing in it.</summary>
    /// <inheritdoc/>
    public async ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
    {
        ImapConnection connection = await ImapOpening.OpenAsync(_config.Account, Clock, onLogin: null, cancellationToken);
        try
        {
            ImapMailbox mailbox = await connection.SelectAsync(_config.Mailbox, readOnly: true, cancellationToken);
            return string.Create(CultureInfo.InvariantCulture, $"{connection.Encryption}, signed in as {_config.Account.Username}, {mailbox.Exists} message{(mailbox.Exists == 1 ? "" : "s")} in {_config.Mailbox}");
        }
        catch (ImapCommandException e)
        {
            throw new InvalidOperationException($"{e.Message.TrimEnd('.', ' ')}. Set sources.{Name}.mailbox to one that is there and that the account may open.", e);
        }
        finally
        {
            await connection.LogoutAsync();
        }
    }
}
