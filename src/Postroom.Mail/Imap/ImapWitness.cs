namespace Postroom.Mail;

/// <summary>Tells a mail that cannot be read from a server that gives none (ML-5): what goes wrong with one mail is that mail's doing only while another can be had.</summary>
/// <param name="connection">The connection, with the mailbox open.</param>
/// <param name="memory">What is known of the mails.</param>
/// <param name="fresh">The mails that are to be read, ascending.</param>
internal sealed class ImapWitness(ImapConnection connection, ImapMemory memory, IReadOnlyList<uint> fresh)
{
    private const string OneByte = "(UID BODY.PEEK[]<0.1>)";
    private const int MostAsked = 3;

    /// <summary>Asks for the first byte of another mail, or where there is none, whether the server is there at all.</summary>
    /// <param name="uid">The mail that is under suspicion.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the server refuses the other one too.</returns>
    /// <exception cref="ImapConnectionException">The connection broke.</exception>
    public async ValueTask<bool> SpeaksAsync(uint uid, CancellationToken cancellationToken)
    {
        foreach (uint other in Others(uid))
        {
            bool isGiven = false;
            try
            {
                if (!(await connection.FetchAsync([other], OneByte, cancellationToken)).TryGetValue(other, out ImapMail? mail))
                {
                    continue; // Gone, which says nothing.
                }

                isGiven = mail.Body is not null;
            }
            catch (ImapCommandException)
            {
                // Not given either.
            }
            finally
            {
                if (!isGiven)
                {
                    memory.Suspect(other);
                }
            }

            return isGiven;
        }

        await connection.NoopAsync(cancellationToken);
        return true;
    }

    /// <summary>Those with the fewest failures, of these the one that was read last.</summary>
    private IEnumerable<uint> Others(uint uid)
    {
        IEnumerable<uint> known = memory.LastRead is { } last ? [last] : [];
        return known.Concat(fresh).Where(other => other != uid).Distinct().OrderBy(memory.FailuresOf).Take(MostAsked);
    }
}
