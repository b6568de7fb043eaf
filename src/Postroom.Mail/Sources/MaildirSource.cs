using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Postroom.Mail;

/// <summary>A source that reads new mails of a Maildir (SPEC SR-17).</summary>
/// <remarks>
/// Mails of <c>new/</c> become messages of type <c>mail.received</c>, and a Message-ID reveals a repeat. When the work has succeeded a mail is moved to <c>cur/</c> with
/// flag S (seen); when it was given up, with flag F (flagged) and unread. A handler may name other flags, letters of DFPRST. With
/// <see cref="MarkPolicy.Never"/> a mail is moved to <c>cur/</c> without a flag once it is stored, so that mail programs show it as unread.
/// </remarks>
public sealed class MaildirSource : FileSource
{
    private const int MaxHeaders = 64 * 1024;
    private const int MaxBeginning = 64 * 1024; // SR-14
    private const string Flags = "DFPRST";

    private static readonly char Separator = OperatingSystem.IsWindows() ? ';' : ':';

    private readonly MaildirSourceConfig _config;
    private readonly string _root;
    private readonly SenderPatterns _senders;

    /// <summary>Makes a source; it looks when it is run.</summary>
    /// <param name="name">The configured name.</param>
    /// <param name="config">The settings.</param>
    /// <param name="logger">Gets what an operator should know; null for nobody.</param>
    /// <param name="clock">Runs the intervals; null for the system's.</param>
    public MaildirSource(string name, MaildirSourceConfig config, ILogger<MaildirSource>? logger = null, TimeProvider? clock = null)
        : base(
            name, Path.Combine((config ?? throw new ArgumentNullException(nameof(config))).Path, "new"), config.PollInterval, config.MarkSeen, config.Batch,
            logger ?? NullLogger<MaildirSource>.Instance, clock)
    {
        _config = config;
        _root = Path.GetFullPath(config.Path);
        _senders = new SenderPatterns(config.AcceptFrom);
    }

    private string Cur => Path.Combine(_root, "cur");

    private protected override long MostBytes(FoundFile file) => file.Length <= _config.MaxMessage ? _config.MaxMessage : MaxHeaders + MaxBeginning;

    private protected override IEnumerable<string> Changed => [Folder, Cur];

    private protected override void Prepare()
    {
        Require();
        Directory.CreateDirectory(Cur);
    }

    private protected override void Require()
    {
        if (!Directory.Exists(Folder))
        {
            throw new DirectoryNotFoundException($"'{Folder}' does not exist, or may not be looked at, so '{_root}' is no Maildir that source '{Name}' can read. Set sources.{Name}.path to the folder that holds cur, new and tmp, or make them.");
        }
    }

    private protected override SourceMessage? Translate(FoundFile file, ReadOnlyMemory<byte> bytes, string? originKey)
    {
        MailMessage mail = FileMail.Read(file, bytes, _config.MaxMessage, MaxHeaders, MaxBeginning, _config.KeepRaw) with
        {
            Account = _config.Account ?? Name,
            Mailbox = Path.GetFileName(_root),
        };
        return _senders.Accept(mail.From?.Address) ? MailTranslation.ToSource(mail, _config.Into, _config.ReplyVia, originKey, bytes.Span) : null;
    }

    private protected override bool PutAside(FoundFile file)
    {
        Move(file, "");
        return true;
    }

    private protected override void Complete(FoundFile file, string outcome)
    {
        string? flags = outcome switch
        {
            MarkRequest.Seen => "S",
            MarkRequest.Failed => "F",
            _ when outcome.Length is > 0 and <= 6 && outcome.All(Flags.Contains) => outcome,
            _ => null,
        };
        Move(file, flags ?? throw new ArgumentException($"'{Names.Shorten(outcome)}' is no outcome for a mail of a Maildir. Use {MarkRequest.Seen}, {MarkRequest.Failed} or flags, letters of {Flags}.", nameof(outcome)));
    }

    /// <summary>Moves a mail to <c>cur/</c> with flags beside those it has there; seen and failed take each other's place.</summary>
    private void Move(FoundFile file, string flags)
    {
        string start = $"{file.Name.Split(Separator)[0]}{Separator}2,";
        string source = Path.Combine(Folder, file.Name);
        string former = "";
        if (FoundFile.At(Folder, file.Name) is null)
        {
            if (FoundFile.In(Cur).FirstOrDefault(other => other.Name.StartsWith(start, StringComparison.Ordinal)) is not { } moved)
            {
                return;
            }

            source = Path.Combine(Cur, moved.Name);
            former = moved.Name[start.Length..];
        }

        char? other = flags switch { "S" => 'F', "F" => 'S', _ => null };
        string all = string.Concat(former.Concat(flags).Where(flag => flag != other).Distinct().Order());
        FileMoves.Move(source, Cur, start + all);
    }
}
