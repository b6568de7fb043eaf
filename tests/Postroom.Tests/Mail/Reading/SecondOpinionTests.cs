using System.Diagnostics;
using System.Text.Json;
using Postroom.Mail;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.Mail.Reading;

/// <summary>What Python's mail reader, which shares no line with ours, makes of every mail of the corpora. Where the two differ, the reason is written down.</summary>
public sealed class SecondOpinionTests
{
    private const string Script = """
        import email, email.header, email.policy, email.utils, json, sys
        def words(value):
            if value is None: return ''
            value = str(value).replace('\r', '').replace('\n', '')
            try: return str(email.header.make_header(email.header.decode_header(value)))
            except Exception: return value
        out = []
        for path in sys.stdin.read().split('\0'):
            raw = open(path, 'rb').read()
            m = email.message_from_bytes(raw, policy=email.policy.compat32)
            try: to = email.utils.getaddresses([str(v).replace('\n', '').replace('\r', '') for v in m.get_all('To', [])])
            except RecursionError: to = None # it has no bound of its own
            parts = []
            def walk(p, depth):
                if p.is_multipart() and p.get_content_maintype() == 'multipart':
                    for q in p.get_payload(): walk(q, depth + 1)
                else: parts.append(p)
            walk(m, 0)
            plain = [p for p in parts if p.get_content_type() == 'text/plain' and p.get_content_disposition() != 'attachment' and p.get_filename() is None]
            try: date = email.utils.parsedate_to_datetime(str(m['Date'])).timestamp() if m['Date'] else None
            except Exception: date = None
            out.append({'subject': ' '.join(words(m['Subject']).split()), 'addresses': None if to is None else [a for _, a in to if '@' in a], 'date': date, 'id': (str(m['Message-ID'] or '')).strip(),
                        'leaves': len(parts), 'bytes': sum(len(p.get_payload(decode=True) or b'') for p in parts if p.get_content_maintype() != 'message')})
        json.dump(out, sys.stdout)
        """;

    /// <summary>What differs by intention: the file, what differs, and why.</summary>
    private static readonly Dictionary<string, string> Known = new(StringComparer.Ordinal)
    {
        ["disposition-notification.txt Date"] = "the zone stands behind a comment, where Python does not look for it",
        ["disposition-notification.anonymized.eml Date"] = "the same mail",
        ["intl.msg subject"] = "blanks between two encoded words are none, also where their charsets differ (RFC 2047 section 6.2)",
        ["twopart.msg Message-ID"] = "without brackets and at sign it is none (RFC 5322 section 3.6.4); the mail is known by its content",
    };

    [Fact]
    public async Task AC_65_the_mails_of_the_corpora_are_read_as_python_reads_them()
    {
        string[] files = [.. Corpora.Required("mime").Where(static file => file.EndsWith(".eml", StringComparison.Ordinal) || file.EndsWith(".msg", StringComparison.Ordinal) || Path.GetDirectoryName(file)!.EndsWith("mime", StringComparison.Ordinal))];
        List<string> differences = [];
        foreach ((string file, Opinion other) in files.Zip(await AskAsync(files)))
        {
            string name = Path.GetFileName(file);
            MailMessage mail = MailMessageReader.Read(await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken), DateTimeOffset.UnixEpoch);
            string subject = string.Join(' ', mail.Subject.Split([' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries));
            Differ("subject", subject, other.Subject);
            string ours = string.Join(' ', mail.To.Select(static to => to.Address));
            Differ("To", ours, other.Addresses is { } addresses ? string.Join(' ', addresses) : ours);
            Differ("Date", mail.Date?.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "", other.Date?.ToString("0", System.Globalization.CultureInfo.InvariantCulture) ?? "");
            Differ("Message-ID", mail.MessageId ?? "", other.Id);

            void Differ(string what, string one, string two)
            {
                if (one != two && !Known.ContainsKey($"{name} {what}"))
                {
                    differences.Add($"{name} {what}: '{one}' and '{two}'");
                }
            }
        }

        Assert.Empty(differences);
    }

    private static async Task<Opinion[]> AskAsync(string[] files)
    {
        using Process python = Process.Start(new ProcessStartInfo("python3", ["-c", Script]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = python.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> errors = python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await python.StandardInput.WriteAsync(string.Join('\0', files));
        python.StandardInput.Close();
        await python.WaitForExitAsync(TestContext.Current.CancellationToken);
        return python.ExitCode == 0 ? JsonSerializer.Deserialize<Opinion[]>(await output, JsonSerializerOptions.Web)! : throw new InvalidOperationException(await errors);
    }

    private sealed record Opinion(string Subject, string[]? Addresses, double? Date, string Id, int Leaves, long Bytes);
}
