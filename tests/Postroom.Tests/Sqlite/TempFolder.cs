using Postroom.Crash;
using Postroom.Sqlite;

namespace Postroom.Tests.Sqlite;

/// <summary>A folder of one test's own, removed with it.</summary>
internal sealed class TempFolder : IDisposable
{
    public TempFolder() => PrivateFiles.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"postroom-{Guid.NewGuid():n}");

    public string Store => File("store.db");

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Canaries.SearchAndDelete(Path);
}
