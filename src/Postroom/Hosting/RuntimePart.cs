namespace Postroom.Hosting;

/// <summary>A part of the runtime made of two functions.</summary>
internal sealed class RuntimePart(
    string name, RuntimePhase phase, Func<CancellationToken, Task> start, Func<TimeSpan, CancellationToken, Task> stop) : IRuntimeComponent
{
    public string Name { get; } = name;

    public RuntimePhase Phase { get; } = phase;

    public Task StartAsync(CancellationToken cancellationToken) => start(cancellationToken);

    public Task StopAsync(TimeSpan drain, CancellationToken cancellationToken) => stop(drain, cancellationToken);
}
