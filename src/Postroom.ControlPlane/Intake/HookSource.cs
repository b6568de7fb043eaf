using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>One source of type <c>webhook</c>: it takes what is posted to <c>/hooks/{source}</c> while it runs.</summary>
internal sealed class HookSource : IMessageSource, IDisposable
{
    private static readonly TimeSpan FirstStart = TimeSpan.FromSeconds(2);

    private readonly HookBoard _board;
    private readonly WebhookSignature? _signature;
    private readonly TimeProvider _clock;
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IMessageSink? _sink;

    /// <summary>Makes the source, which is found on the board from now on.</summary>
    public HookSource(string name, HookConfig config, HookBoard board, TimeProvider clock)
    {
        Name = name;
        Config = config;
        _board = board;
        _clock = clock;
        _signature = config.Auth is { } auth ? new WebhookSignature(auth.Scheme, auth.Header, auth.Secrets.RevealAll(), clock, auth.Prefix, auth.Tolerance) : null;
        board.Put(this);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Its settings.</summary>
    public HookConfig Config { get; }

    /// <inheritdoc/>
    public SourceStatus Status => new();

    /// <inheritdoc/>
    public bool AnswersAtOnce => true;

    /// <summary>Whether callers have to prove something.</summary>
    public bool NeedsProof => _signature is not null;

    /// <summary>What it takes messages with; null while it does not run. One that is about to run for the first time is waited for: the program answers as soon as it listens.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<IMessageSink?> FindSinkAsync(CancellationToken cancellationToken)
    {
        if (!_begun.Task.IsCompleted)
        {
            await _begun.Task.WaitAsync(FirstStart, _clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return Volatile.Read(ref _sink);
    }

    /// <summary>Whether its scheme is the secret itself, which needs no body.</summary>
    public bool ProvesByHeaders => Config.Auth is { Scheme: SignatureScheme.Token };

    /// <summary>Whether the headers alone prove a request.</summary>
    public bool IsProved(IHeaderDictionary headers) => ProvesByHeaders && Judge(headers, []) == SignatureVerdict.Valid;

    /// <summary>Whether a request has what a proof is in, so that its body is worth reading.</summary>
    public bool MayBeProved(IHeaderDictionary headers) => Config.Auth is { } auth && headers[auth.Header].Count == 1;

    /// <summary>What the proof of a request is worth.</summary>
    public SignatureVerdict Judge(IHeaderDictionary headers, ReadOnlySpan<byte> body) => _signature?.Judge(headers, body) ?? SignatureVerdict.Valid;

    /// <summary>Nobody waits for its first start, which may never come.</summary>
    public void LeaveStopped() => _begun.TrySetResult();

    /// <inheritdoc/>
    public async Task RunAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _sink, sink);
        _begun.TrySetResult();
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        }
        finally
        {
            Volatile.Write(ref _sink, null);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _board.Take(this);
}
