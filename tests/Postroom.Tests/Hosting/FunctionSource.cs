namespace Postroom.Tests.Hosting;

/// <summary>A source that is one function.</summary>
internal sealed class FunctionSource(string name, Func<IMessageSink, CancellationToken, Task> run) : IMessageSource
{
    public string Name { get; } = name;

    public SourceStatus Status { get; } = new();

    public Task RunAsync(IMessageSink sink, CancellationToken cancellationToken) => run(sink, cancellationToken);
}
