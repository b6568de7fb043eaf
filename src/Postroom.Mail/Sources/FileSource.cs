using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

/// <summary>A source whose messages are files that others put into a folder (SPEC SR-17): what <see cref="MaildirSource"/> and <see cref="DropFolderSource"/> have in common.</summary>
/// <remarks>
/// A file stays where it is until its work has ended, so that a crash in between reads it again and finds a repeat. Changes are heard of at once where the system
/// tells of them, and found by a look every <see cref="PollingSource.PollInterval"/> where it does not. <see cref="MarkAsync"/> and
/// <see cref="PollingSource.PollNowAsync"/> are safe for concurrent use.
/// </remarks>
public abstract partial class FileSource : PollingSource, IMarkOrigin, IConnectionCheck, INeedsFolder
{
    private const int MostFound = 100_000;
    private const long MaxBatchBytes = 8L * 1024 * 1024;
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BetweenQuestions = TimeSpan.FromMinutes(5);

    private readonly MarkPolicy _policy;
    private readonly int _batchSize;
    private readonly ILogger _log;
    private readonly FileLedger _ledger = new();
    private readonly List<(FoundFile File, SourceMessage Message)> _batch = [];
    private long _batchBytes;
    private FolderWatch? _watch;
    private bool _cannotWatch;
    private bool _began;
    private long _askedAt;

    private protected FileSource(string name, string folder, TimeSpan pollInterval, MarkPolicy policy, int batchSize, ILogger log, TimeProvider? clock)
        : base(name, pollInterval, clock)
    {
        (Folder, _policy, _batchSize, _log) = (Path.GetFullPath(folder), policy, batchSize, log);
    }

    /// <summary>The folder that is looked into.</summary>
    private protected string Folder { get; }

    string INeedsFolder.Folder => Folder;

    /// <summary>The most bytes of a file that are read.</summary>
    private protected abstract long MostBytes(FoundFile file);

    /// <summary>How long until a file that was found may be read; null when nothing is waited for.</summary>
    private protected virtual TimeSpan? UntilReady => null;

    /// <summary>Tells what became of a file's message: moves the file. Nothing happens when it is gone.</summary>
    /// <param name="request">Its key is the one of the message.</param>
    /// <param name="cancellationToken">Is not looked at: a move takes no time.</param>
    /// <exception cref="OriginUnavailableException">The file cannot be moved now.</exception>
    /// <exception cref="ArgumentException">The key is none of this source, or the outcome none that a file can show.</exception>
    public ValueTask MarkAsync(MarkRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        FoundFile file = FoundFile.OfKey(request.Key) ?? throw new ArgumentException($"'{Names.Shorten(request.Key)}' is no key of a file. Take the header origin-key of the message.", nameof(request));
        try
        {
            Complete(file, request.Outcome);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OriginUnavailableException($"File '{file.Name}' of source '{Name}' cannot be moved: {e.Message} Let the account of this program write to '{Folder}'.", e);
        }

        _ledger.Remove(file);
        return default;
    }

    /// <summary>Is called before each look.</summary>
    private protected virtual void BeginLook()
    {
    }

    /// <summary>Whether a file that was found may be read now.</summary>
    private protected virtual bool IsReady(FoundFile file) => true;

    /// <summary>Makes a message of a file; null for one that is not taken and stays as it is.</summary>
    /// <param name="file">The file.</param>
    /// <param name="bytes">Its content, or the beginning of it.</param>
    /// <param name="originKey">What the message names it by; null when nobody is to be told.</param>
    private protected abstract SourceMessage? Translate(FoundFile file, ReadOnlyMemory<byte> bytes, string? originKey);

    /// <summary>Moves a file to where its end shows.</summary>
    private protected abstract void Complete(FoundFile file, string outcome);

    /// <summary>Puts aside a file that was accepted and is not to be marked; false when it stays, and is remembered instead.</summary>
    private protected virtual bool PutAside(FoundFile file) => false;

    /// <summary>Checks what has to be there before the first look.</summary>
    private protected abstract void Prepare();

    /// <inheritdoc/>
    protected override async ValueTask<int> PollAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        if (!_began)
        {
            Prepare();
            Listen();
            _ledger.Begin(await sink.GetCheckpointAsync(cancellationToken), keptOnly: _policy != MarkPolicy.Never);
            _began = true;
        }

        _watch?.Reset();
        await AskAsync(sink, cancellationToken);
        List<FoundFile> found = Find();
        int added = 0;
        foreach (FoundFile file in found)
        {
            added += await TakeAsync(file, sink, cancellationToken);
        }

        added += await FlushAsync(sink, cancellationToken);
        await KeepAsync(sink, cancellationToken);
        return added;
    }

    /// <inheritdoc/>
    protected override async ValueTask WaitAsync(IMessageSink sink, TimeSpan interval, Task wake, CancellationToken cancellationToken)
    {
        Task heard = _watch?.Heard ?? wake;
        TimeSpan wait = UntilReady is { } ready && ready < interval ? ready : interval;
        await base.WaitAsync(sink, wait, Task.WhenAny(wake, heard), cancellationToken);
        if (heard.IsCompleted && !wake.IsCompleted)
        {
            await base.WaitAsync(sink, Breath, wake, cancellationToken); // Many files at once are one look.
        }
    }

    /// <inheritdoc/>
    protected override ValueTask CloseAsync()
    {
        _watch?.Dispose();
        (_watch, _began, _askedAt) = (null, false, 0);
        _batch.Clear();
        _batchBytes = 0;
        return default;
    }

    /// <inheritdoc/>
    protected override SourceStatus Describe(SourceStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return status with { Checkpoint = string.Create(CultureInfo.InvariantCulture, $"{Folder}: {_ledger.Count} files in work{(_watch is null ? "" : ", listening")}") };
    }

    private void Listen()
    {
        try
        {
            _watch = new FolderWatch(Folder);
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            if (!_cannotWatch)
            {
                LogCannotWatch(Name, Folder, e.Message, PollInterval);
            }

            _cannotWatch = true;
        }
    }

    /// <summary>The files that wait, oldest first; those in work, and those that could not be read and have not changed, are left out.</summary>
    private List<FoundFile> Find()
    {
        BeginLook();
        List<FoundFile> found = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (FoundFile file in FoundFile.In(Folder))
        {
            names.Add(file.Name);
            if (!_ledger.Has(file) && IsReady(file) && found.Count < MostFound)
            {
                found.Add(file);
            }
        }

        _ledger.KeepOnly(names);
        int room = _ledger.Room;
        if (room == 0 && found.Count > 0 && _policy != MarkPolicy.Never && _ledger.Open.Count == 0)
        {
            throw new InvalidOperationException($"'{Folder}' holds {FileLedger.Capacity} files that are passed over, the most that are remembered, so that no further one is taken. The log of source '{Name}' names them; move them away.");
        }

        if (room == 0 && found.Count > 0 && _policy == MarkPolicy.Never)
        {
            throw new InvalidOperationException($"'{Folder}' holds {FileLedger.Capacity} files that were taken, the most that are remembered. Remove some, or set sources.{Name}.markSeen to afterAck so that they are moved.");
        }

        found.Sort(static (one, other) => (one.ModifiedAt, one.Name).CompareTo((other.ModifiedAt, other.Name)));
        return found.Count <= room ? found : found[..room];
    }

    private async ValueTask<int> TakeAsync(FoundFile file, IMessageSink sink, CancellationToken cancellationToken)
    {
        SourceMessage? message;
        try
        {
            if (await PlainFile.ReadAsync(Path.Combine(Folder, file.Name), MostBytes(file), cancellationToken) is not { } content
                || content.Length != file.Length || FoundFile.At(Folder, file.Name) != file)
            {
                return 0; // Gone, no plain file, or being written: another look sees what it has become.
            }

            message = Translate(file, content.Bytes, _policy == MarkPolicy.AfterAck ? file.Key : null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (_ledger.Fail(file))
            {
                LogUnreadable(Name, file.Name, e.Message);
            }

            return 0;
        }

        if (message is null)
        {
            _ledger.Add(file, null); // Forgotten with the next look when it has been moved.
            return 0;
        }

        long bytes = message.Body.Length + message.Attachments.Sum(attachment => attachment.Length ?? 0);
        int added = _batch.Count > 0 && _batchBytes + bytes > MaxBatchBytes ? await FlushAsync(sink, cancellationToken) : 0;
        _batch.Add((file, message));
        _batchBytes += bytes;
        return _batch.Count >= _batchSize ? added + await FlushAsync(sink, cancellationToken) : added;
    }

    /// <summary>Stores what was read.</summary>
    /// <returns>How many messages were new.</returns>
    private async ValueTask<int> FlushAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        (FoundFile File, SourceMessage Message)[] batch = [.. _batch];
        _batch.Clear();
        _batchBytes = 0;
        if (batch.Length == 0)
        {
            return 0;
        }

        try
        {
            return await StoreAsync(batch, sink, cancellationToken);
        }
        catch (ArgumentException) when (batch.Length > 1)
        {
            // One of them cannot be a message: alone it does not keep the others out.
            int added = 0;
            foreach ((FoundFile, SourceMessage) one in batch)
            {
                _batch.Add(one);
                added += await FlushAsync(sink, cancellationToken);
            }

            return added;
        }
        catch (ArgumentException e)
        {
            Refuse(batch[0].File, e.Message);
            return 0;
        }
    }

    private async ValueTask<int> StoreAsync((FoundFile File, SourceMessage Message)[] batch, IMessageSink sink, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte>? checkpoint = _policy == MarkPolicy.Never ? _ledger.ToCheckpoint(batch.Select(one => one.File)) : default(ReadOnlyMemory<byte>?);
        IReadOnlyList<AcceptResult> results = await sink.AcceptAsync([.. batch.Select(one => one.Message)], checkpoint, cancellationToken);
        for (int i = 0; i < batch.Length; i++)
        {
            FoundFile file = batch[i].File;
            _ledger.Add(file, results[i].Id);
            switch (_policy)
            {
                case MarkPolicy.AfterAck when results[i].Duplicate:
                    // Its work may have ended in an earlier life, or with a first copy, and its mark with it.
                    await EndAsync(file, results[i].Id, isRepeat: true, sink, cancellationToken);
                    break;
                case MarkPolicy.AfterAccept:
                    TryComplete(file, MarkRequest.Seen);
                    break;
                case MarkPolicy.Never when PutAside(file):
                    _ledger.Remove(file);
                    break;
            }
        }

        return results.Count(result => !result.Duplicate);
    }

    /// <summary>Stores which files are passed over for good, so that no later run reads and tells them again.</summary>
    private async ValueTask KeepAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        if (_policy == MarkPolicy.Never || !_ledger.IsChanged)
        {
            return;
        }

        try
        {
            await sink.AcceptAsync([], _ledger.TakeKept(), cancellationToken);
        }
        catch
        {
            _ledger.Untake();
            throw;
        }
    }

    /// <summary>Asks now and then what became of the files in work: an expiry or a discard appends no mark.</summary>
    private async ValueTask AskAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        if (_policy == MarkPolicy.Never || (_askedAt != 0 && Clock.GetElapsedTime(_askedAt) < BetweenQuestions))
        {
            return;
        }

        _askedAt = Clock.GetTimestamp();
        foreach ((FoundFile file, MessageId id) in _ledger.Open)
        {
            if (_policy == MarkPolicy.AfterAccept)
            {
                TryComplete(file, MarkRequest.Seen);
            }
            else
            {
                await EndAsync(file, id, isRepeat: false, sink, cancellationToken);
            }
        }
    }

    /// <summary>Moves a file whose message has ended.</summary>
    /// <param name="file">The file.</param>
    /// <param name="id">Its message.</param>
    /// <param name="isRepeat">Whether it was read just now, and its key is known.</param>
    /// <param name="sink">Knows how the message stands.</param>
    /// <param name="cancellationToken">Ends the question.</param>
    private async ValueTask EndAsync(FoundFile file, MessageId id, bool isRepeat, IMessageSink sink, CancellationToken cancellationToken)
    {
        switch (await sink.StateOfAsync(id, cancellationToken))
        {
            case MessageState.Acked:
                TryComplete(file, MarkRequest.Seen);
                break;
            case MessageState.Failed:
                TryComplete(file, MarkRequest.Failed);
                break;
            case null when isRepeat:
                // Its key outlives its message: nobody knows how that ended, so it is not shown as done (MB-18), and not read with every look or start either.
                _ledger.Keep(file);
                LogForgotten(Name, file.Name, id);
                break;
            case null:
                _ledger.Remove(file); // Not kept any more: read anew if it is still there.
                break;
        }
    }

    private protected void Refuse(FoundFile file, string why)
    {
        LogRefused(Name, file.Name, why);
        _ledger.Add(file, null);
        TryComplete(file, MarkRequest.Failed);
    }

    private void TryComplete(FoundFile file, string outcome)
    {
        try
        {
            Complete(file, outcome);
            _ledger.Remove(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (_ledger.Fail(file))
            {
                LogNotMoved(Name, file.Name, e.Message, Folder);
            }
        }
    }

    [LoggerMessage(6120, LogLevel.Warning, "Source '{Source}': changes of '{Folder}' cannot be listened to ({Why}), so it is looked into every {Interval} only.")]
    private partial void LogCannotWatch(string source, string folder, string why, TimeSpan interval);

    [LoggerMessage(6121, LogLevel.Warning, "Source '{Source}': file '{File}' cannot be read and is tried again with every look: {Why}")]
    private partial void LogUnreadable(string source, string file, string why);

    [LoggerMessage(6122, LogLevel.Error, "Source '{Source}': file '{File}' cannot be a message and counts as failed: {Why}")]
    private partial void LogRefused(string source, string file, string why);

    [LoggerMessage(6124, LogLevel.Warning, "Source '{Source}': file '{File}' was message {Message}, which is not kept any more, so nobody can tell how it ended. It is passed over and stays where it is; look at it, and move it away or rename it to have it taken again.")]
    private partial void LogForgotten(string source, string file, MessageId message);

    [LoggerMessage(6123, LogLevel.Warning, "Source '{Source}': file '{File}' is done and cannot be moved, which is tried again: {Why} Let the account of this program write to '{Folder}'.")]
    private partial void LogNotMoved(string source, string file, string why, string folder);
}
