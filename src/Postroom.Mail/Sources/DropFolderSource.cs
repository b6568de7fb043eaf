using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Postroom.Mail;

/// <summary>A source that takes files which are put into a folder (SPEC SR-17).</summary>
/// <remarks>
/// A file is read once its length and time have not changed for <see cref="DropFolderSourceConfig.Settle"/>. A mail (<c>.eml</c>) becomes a message of type
/// <c>mail.received</c>, any other file one of type <c>file.received</c> with a <see cref="ReceivedFile"/> as its body and the file attached. When the work has succeeded
/// the file is moved to <c>done/</c>, when it was given up to <c>failed/</c>; a name that is taken there gets a number. The same content under the same name is a repeat.
/// </remarks>
public sealed class DropFolderSource : FileSource
{
    private const string Done = "done";
    private const string Failed = "failed";
    private const int MaxHeaders = 64 * 1024;
    private const int MaxBeginning = 64 * 1024; // SR-14

    private readonly DropFolderSourceConfig _config;
    private readonly Dictionary<string, (FoundFile File, long Since)> _settling = new(StringComparer.Ordinal);
    private long _lookedAt;

    /// <summary>Makes a source; it looks when it is run.</summary>
    /// <param name="name">The configured name.</param>
    /// <param name="config">The settings.</param>
    /// <param name="logger">Gets what an operator should know; null for nobody.</param>
    /// <param name="clock">Runs the intervals; null for the system's.</param>
    public DropFolderSource(string name, DropFolderSourceConfig config, ILogger<DropFolderSource>? logger = null, TimeProvider? clock = null)
        : base(
            name, (config ?? throw new ArgumentNullException(nameof(config))).Path, config.PollInterval, config.MarkSeen, config.Batch,
            logger ?? NullLogger<DropFolderSource>.Instance, clock)
    {
        _config = config;
    }

    private protected override TimeSpan? UntilReady
    {
        get
        {
            if (_settling.Count == 0)
            {
                return null;
            }

            TimeSpan left = _config.Settle - Clock.GetElapsedTime(_settling.Values.Min(waiting => waiting.Since));
            return left > TimeSpan.Zero ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : TimeSpan.FromMilliseconds(1);
        }
    }

    private protected override long MostBytes(FoundFile file) => !IsMail(file) ? _config.MaxFile : file.Length <= _config.MaxMessage ? _config.MaxMessage : MaxHeaders + MaxBeginning;

    private protected override IEnumerable<string> Changed => _config.MarkSeen == MarkPolicy.Never ? [] : [Folder, Path.Combine(Folder, Done), Path.Combine(Folder, Failed)];

    private protected override void Require()
    {
        if (!Directory.Exists(Folder))
        {
            throw new DirectoryNotFoundException($"'{Folder}' does not exist, or may not be looked at, so source '{Name}' finds no files. Make the folder, or set sources.{Name}.path.");
        }
    }

    private protected override void Prepare()
    {
        Require();
        if (_config.MarkSeen != MarkPolicy.Never)
        {
            Directory.CreateDirectory(Path.Combine(Folder, Done));
            Directory.CreateDirectory(Path.Combine(Folder, Failed));
        }

        _settling.Clear();
    }

    private protected override void BeginLook()
    {
        // What has gone waits no more.
        foreach (string name in _settling.Where(waiting => FoundFile.At(Folder, waiting.Key) is null).Select(waiting => waiting.Key).ToArray())
        {
            _settling.Remove(name);
        }

        _lookedAt = Clock.GetTimestamp();
    }

    private protected override bool IsReady(FoundFile file)
    {
        if (!System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(_config.Pattern, file.Name, ignoreCase: true))
        {
            return false;
        }

        if (_config.Settle == TimeSpan.Zero)
        {
            return true;
        }

        if (!_settling.TryGetValue(file.Name, out (FoundFile File, long Since) waiting) || waiting.File != file)
        {
            _settling[file.Name] = (file, _lookedAt);
            return false;
        }

        if (Clock.GetElapsedTime(waiting.Since, _lookedAt) < _config.Settle)
        {
            return false;
        }

        _settling.Remove(file.Name);
        return true;
    }

    private protected override SourceMessage? Translate(FoundFile file, ReadOnlyMemory<byte> bytes, string? originKey)
    {
        string hash = Convert.ToHexStringLower(SHA256.HashData(bytes.Span));
        string key = $"file:{Name}:{Convert.ToHexStringLower(SHA256.HashData([.. SHA256.HashData(bytes.Span), .. System.Text.Encoding.UTF8.GetBytes(file.Name)]))}";
        if (IsMail(file))
        {
            MailMessage mail = FileMail.Read(file, bytes, _config.MaxMessage, MaxHeaders, MaxBeginning, _config.KeepRaw) with { Account = Name, Mailbox = Path.GetFileName(Folder) };
            return MailTranslation.ToSource(mail, _config.Into, _config.ReplyVia, originKey, bytes.Span) with { DedupKey = key };
        }

        if (file.Length > _config.MaxFile)
        {
            Refuse(file, $"It has {file.Length} bytes; the limit is {_config.MaxFile} (sources.{Name}.maxFile). Put it where a handler can fetch it, and drop a small file that says where.");
            return null;
        }

        ReceivedFile body = new(Attachment.FromBytes(file.Name, bytes).Name, file.Length, file.ModifiedAt, hash);
        return new SourceMessage(_config.Into, PayloadTypes.FileReceived, JsonSerializer.SerializeToUtf8Bytes(body, PostroomJson.Default.ReceivedFile))
        {
            DedupKey = key,
            OriginKey = originKey,
            Attachments = [Attachment.FromBytes(file.Name, bytes, MediaTypes.OfName(file.Name))],
        };
    }

    private protected override void Complete(FoundFile file, string outcome)
    {
        string folder = outcome switch
        {
            MarkRequest.Seen => Done,
            MarkRequest.Failed => Failed,
            _ => throw new ArgumentException($"'{Names.Shorten(outcome)}' is no outcome for a file of a folder. Use {MarkRequest.Seen} or {MarkRequest.Failed}.", nameof(outcome)),
        };
        if (_config.MarkSeen == MarkPolicy.Never)
        {
            return;
        }

        if (FoundFile.At(Folder, file.Name) == file)
        {
            FileMoves.Move(Path.Combine(Folder, file.Name), Path.Combine(Folder, folder), file.Name);
        }
        else if (folder == Done && FindFailed(file) is { } failed)
        {
            FileMoves.Move(failed, Path.Combine(Folder, Done), file.Name); // It was replayed.
        }
    }

    /// <summary>The path of a file that failed before; null when it is not there.</summary>
    private string? FindFailed(FoundFile file)
    {
        string folder = Path.Combine(Folder, Failed);
        foreach (string variant in FileMoves.Variants(file.Name))
        {
            if (FoundFile.At(folder, variant) is not { } there)
            {
                return null;
            }

            if ((there.Length, there.ModifiedAt) == (file.Length, file.ModifiedAt))
            {
                return Path.Combine(folder, variant);
            }
        }

        return null;
    }

    private static bool IsMail(FoundFile file) => file.Name.EndsWith(".eml", StringComparison.OrdinalIgnoreCase);
}
