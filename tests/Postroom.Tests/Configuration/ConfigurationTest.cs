using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Configuration;

/// <summary>A directory of its own, and a configuration made from texts.</summary>
public abstract class ConfigurationTest : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("postroom-").FullName;

    protected ConfigurationTest() => Redactor = new Redactor();

    protected Redactor Redactor { get; }

    protected Dictionary<string, string> Variables { get; } = [];

    protected List<string> Settings { get; } = [];

    protected ConfigurationCatalog Catalog { get; } = new();

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => Directory.Delete(_directory, recursive: true);

    protected string File(string name) => Path.Combine(_directory, name);

    protected string Write(string name, string text)
    {
        System.IO.File.WriteAllText(File(name), text);
        return File(name);
    }

    protected string WriteSecret(string name, string text, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File(name))!);
        string path = Write(name, text);
        if (!OperatingSystem.IsWindows())
        {
            System.IO.File.SetUnixFileMode(path, mode);
        }

        return path;
    }

    protected ConfigurationSources Sources(string? platform = null, string? application = null)
    {
        Catalog.StoreKinds.Add("sqlite");
        Catalog.StoreKinds.Add("redis");
        ConfigurationSources standard = ConfigurationSources.Standard(platform ?? File("none.yaml"), application, Settings, Variables, TimeProvider.System);
        var sources = new ConfigurationSources { Layers = standard.Layers, Variables = Variables, Catalog = Catalog };
        if (platform is null)
        {
            sources.Layers.RemoveAt(0);
        }

        return sources;
    }

    protected async Task<RuntimeConfiguration> LoadAsync(string? yaml = null) =>
        await LoadAsync(Sources(yaml is null ? null : Write("postroom.yaml", yaml)));

    protected async Task<RuntimeConfiguration> LoadAsync(ConfigurationSources sources) =>
        await RuntimeConfiguration.LoadAsync(sources, Redactor, TimeProvider.System, NullLogger.Instance, Cancel);

    /// <summary>The messages of a configuration that must be refused, each with the line it names.</summary>
    protected async Task<IReadOnlyList<string>> RefuseAsync(string? yaml = null)
    {
        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => LoadAsync(yaml));
        return [.. refused.Problems.Select(problem => $"{problem.Origin.Line}: {problem.Message}")];
    }
}
