using System.Globalization;

namespace Postroom.Benchmarks.Harness;

/// <summary>Where runs make their files; every run has a folder of its own that goes with it.</summary>
internal sealed class Workspace(string root) : IDisposable
{
    private readonly Dictionary<string, Folder> _kept = [];
    private int _count;

    public Folder NewFolder()
    {
        string path = Path.GetFullPath(Path.Combine(root, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{++_count}")));
        Directory.CreateDirectory(path);
        return new Folder(path);
    }

    /// <summary>A copy of a folder that is filled once and kept until the end: runs that begin with files begin with the same ones.</summary>
    public async Task<Folder> CopyOfAsync(string name, Func<Folder, Task> fill)
    {
        if (!_kept.TryGetValue(name, out Folder? kept))
        {
            kept = NewFolder();
            await fill(kept);
            _kept.Add(name, kept);
        }

        Folder copy = NewFolder();
        foreach (string file in Directory.GetFiles(kept.Path))
        {
            File.Copy(file, copy.File(Path.GetFileName(file)));
        }

        return copy;
    }

    public void Dispose()
    {
        foreach (Folder folder in _kept.Values)
        {
            folder.Dispose();
        }
    }
}

/// <summary>One run's files.</summary>
internal sealed class Folder(string path) : IDisposable
{
    public string Path { get; } = path;

    /// <summary>The size of all files together.</summary>
    public long Bytes => Directory.EnumerateFiles(Path).Sum(static file => new FileInfo(file).Length);

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
