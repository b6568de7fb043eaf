using System.Globalization;

namespace Postroom.Benchmarks.Harness;

/// <summary>Where runs make their files; every run has a folder of its own that goes with it.</summary>
internal sealed class Workspace(string root)
{
    private int _count;

    public Folder NewFolder()
    {
        string path = Path.GetFullPath(Path.Combine(root, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{++_count}")));
        Directory.CreateDirectory(path);
        return new Folder(path);
    }
}

/// <summary>One run's files.</summary>
internal sealed class Folder(string path) : IDisposable
{
    public string Path { get; } = path;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
