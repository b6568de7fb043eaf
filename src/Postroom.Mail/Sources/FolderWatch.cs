namespace Postroom.Mail;

/// <summary>Hears that something happened in a folder. What it does not hear is found by the next look, so that a lost event costs time only.</summary>
internal sealed class FolderWatch : IDisposable
{
    private readonly FileSystemWatcher _watcher;
    private volatile TaskCompletionSource _heard = New();

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">The system has no more watches to give.</exception>
    public FolderWatch(string folder)
    {
        _watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite | NotifyFilters.Size };
        _watcher.Created += Hear;
        _watcher.Changed += Hear;
        _watcher.Renamed += Hear;
        _watcher.Error += (_, _) => _heard.TrySetResult(); // Events were lost: look.
        _watcher.EnableRaisingEvents = true;
    }

    /// <summary>Completes with the next event since <see cref="Reset"/>.</summary>
    public Task Heard => _heard.Task;

    /// <summary>Forgets what was heard; called before a look, so that what happens during it counts.</summary>
    public void Reset()
    {
        if (_heard.Task.IsCompleted)
        {
            _heard = New();
        }
    }

    public void Dispose() => _watcher.Dispose();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Hear(object sender, FileSystemEventArgs e) => _heard.TrySetResult();
}
