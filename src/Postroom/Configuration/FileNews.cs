namespace Postroom.Configuration;

/// <summary>Waits until the system tells that something happened to a file, by whatever way it is replaced. For one waiter.</summary>
internal sealed class FileNews : IDisposable
{
    private readonly string _path;
    private readonly List<FileSystemWatcher> _watchers = [];
    private TaskCompletionSource _happened = New();

    public FileNews(string path)
    {
        _path = Path.GetFullPath(path);
        Renew();
    }

    /// <summary>Whether the system tells.</summary>
    public bool IsTold { get; private set; }

    /// <summary>Listens where the file is now.</summary>
    public void Renew()
    {
        End();
        try
        {
            FileInfo file = new(_path);
            string? target = file.LinkTarget is null ? null : file.ResolveLinkTarget(returnFinalTarget: true)?.FullName; // a file that is not there yet may come
            Listen(_path, isLink: target is not null);
            if (target is not null)
            {
                Listen(target, isLink: false);
            }

            IsTold = true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or PlatformNotSupportedException)
        {
            // No such folder, or the system has no more of what it takes.
            End();
        }
    }

    /// <summary>Returns after news, or when the time is over.</summary>
    public async Task WaitAsync(TimeSpan longest, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            await Volatile.Read(ref _happened).Task.WaitAsync(longest, time, cancellationToken);
            Volatile.Write(ref _happened, New()); // what happens from here on is seen by the look that follows, or by the next wait
        }
        catch (TimeoutException)
        {
            // It is looked at all the same.
        }
    }

    public void Dispose() => End();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Listen(string path, bool isLink)
    {
        FileSystemWatcher watcher = new(Path.GetDirectoryName(path)!)
        {
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size,
        };
        _watchers.Add(watcher);

        // Where the file is a link, a folder beside it may be what is replaced.
        watcher.Filter = isLink ? "*" : Path.GetFileName(path);
        watcher.Changed += (_, _) => Tell();
        watcher.Created += (_, _) => Tell();
        watcher.Deleted += (_, _) => Tell();
        watcher.Renamed += (_, _) => Tell();
        watcher.Error += (_, _) => Tell();
        watcher.EnableRaisingEvents = true;
    }

    private void Tell() => Volatile.Read(ref _happened).TrySetResult();

    private void End()
    {
        IsTold = false;
        _watchers.ForEach(static watcher => watcher.Dispose());
        _watchers.Clear();
    }
}
