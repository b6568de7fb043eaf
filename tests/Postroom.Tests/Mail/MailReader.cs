using System.Diagnostics;
using System.Text.Json;

namespace Postroom.Tests.Mail;

/// <summary>What Python's own mail reader, which shares no line with ours, finds in a mail.</summary>
/// <param name="Subject">The subject.</param>
/// <param name="Names">The names in To.</param>
/// <param name="Addresses">The addresses in To.</param>
/// <param name="Text">The plain text, line ends LF.</param>
/// <param name="Html">The HTML; null for none.</param>
/// <param name="Files">The file names.</param>
/// <param name="Contents">The files' bytes in base64.</param>
/// <param name="Defects">What the reader objects to.</param>
/// <param name="MessageId">The Message-ID.</param>
internal sealed record ReadMail(string Subject, string[] Names, string[] Addresses, string Text, string? Html, string[] Files, string[] Contents, string[] Defects, string MessageId)
{
    private static readonly JsonSerializerOptions Words = new() { PropertyNameCaseInsensitive = true };

    // The header classes of the modern policy tidy names and blanks; the plain functions give what was encoded.
    private const string Script = """
        import base64, email, email.header, email.policy, email.utils, imaplib, json, ssl, sys
        imaplib._MAXLINE = 50_000_000
        def words(value):
            value = value.replace('\r\n', '\n').replace('\n', '')
            return str(email.header.make_header(email.header.decode_header(value)))
        def text(part):
            return None if part is None else part.get_payload(decode=True).decode(part.get_content_charset()).replace('\r\n', '\n')
        def mails():
            if sys.argv[1] == 'imap':
                port, authority, user, password = sys.argv[2:]
                box = imaplib.IMAP4_SSL('localhost', int(port), ssl_context=ssl.create_default_context(cafile=authority))
                box.login(user, password)
                box.select('INBOX', readonly=True)
                numbers = box.search(None, 'ALL')[1][0].split()
                for item in box.fetch(b','.join(numbers), '(BODY.PEEK[])')[1] if numbers else []:
                    if isinstance(item, tuple): yield item[1]
                box.logout()
            else:
                for path in sys.stdin.read().split('\0'): yield open(path, 'rb').read()
        out = []
        for raw in mails():
            plain = email.message_from_bytes(raw, policy=email.policy.compat32)
            message = email.message_from_bytes(raw, policy=email.policy.default)
            to = email.utils.getaddresses([str(plain['To']).replace('\n', '').replace('\r', '')])
            parts = list(message.walk())
            find = lambda kind: next((p for p in parts if p.get_content_type() == kind and p.get_content_disposition() != 'attachment'), None)
            files = [p for p in plain.walk() if p.get_content_disposition() == 'attachment']
            out.append({
                'subject': words(plain['Subject']), 'names': [words(n) for n, _ in to], 'addresses': [a for _, a in to],
                'text': text(find('text/plain')), 'html': text(find('text/html')),
                'files': [p.get_filename() for p in files],
                'contents': [base64.b64encode(p.get_payload(decode=True)).decode() for p in files],
                'defects': [repr(d) for p in parts for d in p.defects], 'messageId': message['Message-ID']})
        json.dump(out, sys.stdout)
        """;

    /// <summary>Reads mails from files.</summary>
    public static Task<IReadOnlyList<ReadMail>> FromAsync(IReadOnlyList<string> files, CancellationToken cancellationToken) => ReadAsync(["-"], string.Join('\0', files), cancellationToken);

    /// <summary>Reads the inbox of a user over IMAP, with TLS from the first byte.</summary>
    public static Task<IReadOnlyList<ReadMail>> FromImapAsync(int port, string authority, string user, string password, CancellationToken cancellationToken) =>
        ReadAsync(["imap", port.ToString(System.Globalization.CultureInfo.InvariantCulture), authority, user, password], "", cancellationToken);

    private static async Task<IReadOnlyList<ReadMail>> ReadAsync(string[] arguments, string input, CancellationToken cancellationToken)
    {
        using Process python = Process.Start(new ProcessStartInfo("python3", ["-c", Script, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = python.StandardOutput.ReadToEndAsync(cancellationToken);
        Task<string> errors = python.StandardError.ReadToEndAsync(cancellationToken);
        await python.StandardInput.WriteAsync(input.AsMemory(), cancellationToken);
        python.StandardInput.Close();
        await python.WaitForExitAsync(cancellationToken);
        return python.ExitCode == 0 ? JsonSerializer.Deserialize<ReadMail[]>(await output, Words)! : throw new InvalidOperationException(await errors);
    }
}
