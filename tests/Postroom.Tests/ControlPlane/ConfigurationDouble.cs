using Postroom.Configuration;

namespace Postroom.Tests.ControlPlane;

/// <summary>A configuration of the sections that HTTP needs; nothing of it changes.</summary>
internal sealed class ConfigurationDouble(ServerOptions server, IntakeOptions intake) : IRuntimeConfiguration
{
    public ConfigurationSnapshot Current { get; } = new(
        1,
        new Dictionary<string, object> { ["server"] = server, ["intake"] = intake, ["limits"] = new LimitsOptions(), ["retention"] = new RetentionOptions() },
        [],
        [],
        new Redactor());

    public IReadOnlyList<ConfigurationProblem> Problems => [];

    public IDisposable Subscribe<T>(string section, Func<SectionChange<T>, CancellationToken, ValueTask> handler)
        where T : class => new MemoryStream();

    public Task<ReloadResult> ReloadAsync(bool previous, CancellationToken cancellationToken) => Task.FromResult(new ReloadResult { Applied = !previous, Version = 1, NothingToRestore = previous });

    public Task<ReloadResult> ValidateAsync(string document, CancellationToken cancellationToken) => Task.FromResult(new ReloadResult { Applied = false, Version = 1 });

    public Task<ReloadResult> SetOverrideAsync(string key, string? value, bool persist, CancellationToken cancellationToken) => Task.FromResult(new ReloadResult { Applied = true, Version = 1 });
}
