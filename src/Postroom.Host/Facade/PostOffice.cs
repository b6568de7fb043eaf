using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Postroom.Host;

namespace Postroom;

/// <summary>The imperative way in: start, receive, send, without modules or handlers. A thin view of a running <see cref="MessageRuntime"/>.</summary>
/// <remarks>
/// It keeps every promise of the store: a received message is acknowledged when the program asks for the next one, answers it, acknowledges
/// it, or ends with <see cref="StopAsync"/>. A program that dies before, or leaves by an exception, gets it again: <see cref="DisposeAsync"/>
/// acknowledges nothing, because it runs on an exception too. One message is open at a time; <see cref="OpenReceiver"/> is for more.
/// Safe for concurrent use unless a member says otherwise.
/// <para>
/// A hot restart (<c>postroom restart</c>, SIGHUP) ends <see cref="ReceiveAllAsync"/> and <see cref="RunAsync"/> as SIGTERM does. When the program stops or disposes this
/// then, the next generation takes its place, with the same process id, from the beginning of whatever program is in its file by now: <see cref="DisposeAsync"/> does not return,
/// so what the program has to do at its end comes before. One that has not come there after <c>runtime.stopTimeout</c> is replaced where it is. Before a restart the
/// program is run once more to look at its configuration; that run ends inside <see cref="StartAsync"/>, before anything is opened.
/// </para>
/// <para>
/// When the store cannot go on (its file cannot be opened again after a failed commit) the program ends with exit code 4:
/// <see cref="ReceiveAllAsync"/> and <see cref="RunAsync"/> end as they do on SIGTERM, the other calls throw <see cref="StoreUnavailableException"/>,
/// and a program that has not disposed after <c>runtime.stopTimeout</c> is ended.
/// </para>
/// </remarks>
public sealed class PostOffice : IAsyncDisposable
{
    private static readonly SemaphoreSlim Turn = new(1, 1);
    private static PostOffice? _running;

    private readonly HostedRuntime _host;
    private readonly ProgramEnd _end;
    private readonly OpenMessage _open;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _failed = new();
    private readonly PosixSignalRegistration[] _signals;
    private Task? _ending;
    private int _stops;

    private PostOffice(HostedRuntime host, Generation generation)
    {
        _host = host;
        _end = new ProgramEnd(host, generation);
        _open = new OpenMessage(host.Runtime.OpenQueue("in"), TimeProvider.System);
        _ = host.Runtime.Failure.ContinueWith(_ => EndProcessAsync(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        _ = host.Runtime.ReplacementOrdered.ContinueWith(_ => EndForReplacementAsync(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        _signals = [PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal), PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal), _end.HearHangUps(OnSignal)];
        _ = host.Runtime.StopRequested.ContinueWith(_ => Stop(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        generation.Ready(host.Runtime);
    }

    private bool IsEnding
    {
        get
        {
            lock (_gate)
            {
                return _ending is not null;
            }
        }
    }

    /// <summary>Ends a process that does not end by itself; replaced by tests.</summary>
    internal Action<int> Exit { get; set; } = Environment.Exit;

    /// <summary>The runtime behind it.</summary>
    public MessageRuntime Runtime => _host.Runtime;

    /// <summary>The addresses HTTP listens on.</summary>
    public IReadOnlyList<string> Addresses => _host.Addresses;

    /// <summary>Starts configuration, store with recovery, lanes, communicators, sources and HTTP. It starts no router.</summary>
    /// <remarks>
    /// A program that does not catch a refused start (invalid settings, a store in use or damaged, an address in use) ends with the message
    /// alone on standard error, and with the exit code that the command line has for it: 3, 4 or 1.
    /// </remarks>
    /// <param name="args">The command line: <c>--config</c>, <c>--set</c> and the like; null for none.</param>
    /// <param name="configure">Registers what the program adds; null for nothing.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <returns>The running instance; the same one when it is called again.</returns>
    /// <exception cref="Configuration.ConfigurationException">The configuration or composition cannot be used; every problem is listed.</exception>
    /// <exception cref="StoreOpenException">The store cannot be opened; also when another process runs on it.</exception>
    /// <exception cref="InvalidOperationException">The addresses of <c>server.urls</c> cannot be opened.</exception>
    /// <exception cref="ArgumentException">
    /// The first word is a command of the command line, such as <c>status</c>: a second runtime beside the first is not what was meant. Other words are the program's own.
    /// </exception>
    public static async Task<PostOffice> StartAsync(string[]? args = null, Action<IApplicationBuilder>? configure = null, CancellationToken cancellationToken = default)
    {
        if (args is [{ } word, ..] && PostroomCommand.IsCommand(word))
        {
            ArgumentException refused = new($"'{word}' is a command of the command line, and this program would start one more runtime. Run 'postroom {word}' in this folder; in a clone of the repository that is './postroom {word}'.");
            UncaughtStart.Note(refused, ExitCodes.Usage);
            throw refused;
        }

        HostArguments arguments = HostArguments.Parse(args ?? []);
        await Preflight.AnswerAsync(arguments, configure, cancellationToken);
        await Turn.WaitAsync(cancellationToken);
        Generation? generation = null;
        try
        {
            if (_running is null)
            {
                generation = Generation.Begin(arguments: null);
                _running = new PostOffice(await HostedRuntime.StartAsync(arguments, configure, Console.Out, cancellationToken, generation), generation);
            }

            return _running;
        }
        catch (Exception refused)
        {
            generation?.EndBad($"it did not start: {refused.Message}");
            generation?.Dispose();
            UncaughtStart.Note(refused);
            throw;
        }
        finally
        {
            Turn.Release();
        }
    }

    /// <inheritdoc cref="StartAsync"/>
    public static Task<PostOffice> InitAsync(string[]? args = null, Action<IApplicationBuilder>? configure = null, CancellationToken cancellationToken = default)
    {
        return StartAsync(args, configure, cancellationToken);
    }

    /// <summary>The next message of queue <c>in</c>. It is acknowledged by the next receive, by <see cref="AckAsync"/>, <see cref="ReplyAsync"/> or <see cref="StopAsync"/>.</summary>
    /// <param name="block">Whether to wait when nothing is due.</param>
    /// <param name="timeout">How long to wait; null for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TimeoutException">Nothing came in time, or nothing is due and <paramref name="block"/> is false.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The time-out is negative.</exception>
    /// <exception cref="InvalidOperationException">Another receive is under way.</exception>
    /// <exception cref="StoreUnavailableException">
    /// The store could not take the acknowledgement of the message before within the time-out, and it is still open; or it cannot go on: see
    /// <see cref="MessageRuntime.Failure"/>.
    /// </exception>
    public async Task<Message> ReceiveAsync(bool block = true, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        return await TryReceiveAsync(block, timeout, cancellationToken)
            ?? throw new TimeoutException(block ? $"No message came within {timeout}." : "No message is due.");
    }

    /// <summary>As <see cref="ReceiveAsync"/>, but null instead of a time-out.</summary>
    public async Task<Message?> TryReceiveAsync(bool block = false, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        if (timeout < TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "A time-out is zero or more; null waits for ever.");
        }

        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _failed.Token);
        try
        {
            return await UnlessReplacedAsync(_open.NextAsync(block ? timeout : TimeSpan.Zero, () => ThrowIfServed("in", competing: false), either.Token));
        }
        catch (OperationCanceledException e) when (_failed.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException((await Runtime.Failure).Message, e);
        }
    }

    /// <summary>
    /// Messages of queue <c>in</c> as they come; each is acknowledged when the next one is asked for. The loop ends with SIGTERM or SIGINT,
    /// and when the store cannot go on, so that the program can end in order.
    /// </summary>
    /// <remarks>
    /// A loop that is left over a message, by an exception or by <c>break</c>, gives it back as <see cref="NackAsync"/> does, unless it was
    /// answered or acknowledged in the loop: nobody can tell an exception from a break there. After SIGTERM or SIGINT that is no failed attempt.
    /// While the store cannot write, a full disk for example, the loop waits for the acknowledgement to be stored.
    /// </remarks>
    public async IAsyncEnumerable<Message> ReceiveAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        while (!either.IsCancellationRequested)
        {
            Message message;
            try
            {
                message = await ReceiveAsync(block: true, timeout: null, either.Token);
            }
            catch (Exception e) when (IsEnd(e) && !cancellationToken.IsCancellationRequested)
            {
                yield break;
            }

            bool done = false;
            try
            {
                yield return message;
                done = true;
            }
            finally
            {
                if (!done && !_stopping.IsCancellationRequested)
                {
                    await _open.AbandonAsync(message);
                }
            }

            try
            {
                await _open.CompleteAsync(message, either.Token);
            }
            catch (Exception e) when (IsEnd(e))
            {
                yield break; // The message stays open, and the end of the program settles it.
            }
        }
    }

    /// <summary>Waits until the program is to end: by SIGTERM or SIGINT, for a hot restart, or because the store cannot go on.</summary>
    /// <param name="cancellationToken">Ends the wait as well.</param>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Acknowledges the received message; returns after the commit. False when another one is open, or its lease was lost.</summary>
    public Task<bool> AckAsync(Message message, CancellationToken cancellationToken = default) => UnlessReplacedAsync(_open.AckAsync(message, cancellationToken));

    /// <summary>Gives the received message back: after the queue's backoff, or exactly after a delay.</summary>
    public Task<bool> NackAsync(Message message, TimeSpan? delay = null, CancellationToken cancellationToken = default) => UnlessReplacedAsync(_open.NackAsync(message, delay, cancellationToken));

    /// <summary>Deliveries of any queue with explicit acknowledgement.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="prefetch">How many deliveries are held at most.</param>
    /// <param name="competing">Allows it beside a handler pool of the same queue.</param>
    /// <exception cref="InvalidOperationException">A handler pool serves the queue and <paramref name="competing"/> is false.</exception>
    public Receiver OpenReceiver(string queue, int prefetch = 1, bool competing = false)
    {
        ThrowIfServed(queue, competing);
        return new Receiver(Runtime.OpenQueue(queue), prefetch);
    }

    /// <summary>Sends as the message says: <see cref="Message.Sender"/> is the recipient, <see cref="Message.ClientType"/> the channel.</summary>
    /// <returns>The message's id, after the commit; delivery follows by itself.</returns>
    public Task<MessageId> SendAsync(Message message, CancellationToken cancellationToken = default)
    {
        string to = Runtime.View.FindChannel(message.ClientType) is { } channel ? $"{channel}:{message.Sender}" : message.Sender;
        return SendAsync(message.RawPayload, to, cancellationToken);
    }

    /// <summary>Sends a text to <c>{communicator}:{recipient}</c>, or to a contact through the channel it wrote in last.</summary>
    /// <returns>The message's id, after the commit; delivery follows by itself, in order per conversation.</returns>
    /// <exception cref="ArgumentException">There is no recipient.</exception>
    /// <exception cref="AddressException">No channel is known for a bare recipient; the text lists the channels.</exception>
    public async Task<MessageId> SendAsync(string text, string? to = null, CancellationToken cancellationToken = default)
    {
        if (string.IsNullOrWhiteSpace(to))
        {
            throw new ArgumentException("A text needs a recipient: COMMUNICATOR:RECIPIENT, or a contact that has written before.", nameof(to));
        }

        Address address = await ChannelFinder.ResolveAsync(Runtime, to, cancellationToken);
        EmitResult result = await Runtime.Dispatcher.EmitAsync(new OutgoingMessage(text) { To = address }, cancellationToken);
        return result.Ids.Count > 0 ? result.Ids[0] : MessageId.Empty;
    }

    /// <summary>Answers a received message: same channel, chat, topic and conversation. The answer commits together with that message's acknowledgement.</summary>
    /// <exception cref="InvalidOperationException">The message is not the open one.</exception>
    public Task ReplyAsync(Message message, string text, CancellationToken cancellationToken = default) =>
        UnlessReplacedAsync(_open.ReplyAsync(message, text, Runtime, cancellationToken));

    /// <summary>Opens a file of a received message, and fetches it from the service that keeps it where it came as a reference. At most 20 MiB; length and hash are verified.</summary>
    /// <param name="message">The message, as <see cref="Receiver"/> gives it.</param>
    /// <param name="attachment">One of its files.</param>
    /// <param name="cancellationToken">Ends the fetch, which takes at most 5 minutes.</param>
    /// <exception cref="AddressException">The communicator that it came by is gone, or fetches no files.</exception>
    /// <exception cref="DeliveryException">The service does not give it now, or not any more.</exception>
    /// <exception cref="InvalidDataException">It is not the file that the message says, or too long.</exception>
    public ValueTask<Stream> OpenAsync(Envelope message, Attachment attachment, CancellationToken cancellationToken = default) => Runtime.Rooms.Files.OpenAsync(message, attachment, cancellationToken);

    /// <summary>The files of a received message, references included; <see cref="Message.Attachments"/> has those with bytes only.</summary>
    /// <exception cref="InvalidOperationException">The message is not the open one.</exception>
    public async ValueTask<IReadOnlyList<Attachment>> GetFilesAsync(Message message) => (await _open.EnvelopeOfAsync(message)).Attachments;

    /// <summary>Opens a file of the open message; see <see cref="OpenAsync(Envelope, Attachment, CancellationToken)"/>.</summary>
    /// <exception cref="InvalidOperationException">The message is not the open one.</exception>
    public async ValueTask<Stream> OpenAsync(Message message, Attachment attachment, CancellationToken cancellationToken = default) =>
        await OpenAsync(await _open.EnvelopeOfAsync(message), attachment, cancellationToken);

    /// <summary>Calls a method that a communicator offers beyond sending (GW-12). Never repeated by itself; a failure is a result, not an exception.</summary>
    /// <param name="communicator">Its name.</param>
    /// <param name="method">One of its <see cref="IRemoteCalls.Methods"/>.</param>
    /// <param name="arguments">Its arguments, an object.</param>
    /// <param name="timeout">How long to wait, at most 10 minutes; null for 30 s.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is not above zero, or above 10 minutes.</exception>
    public ValueTask<RemoteCallResult> CallAsync(string communicator, string method, System.Text.Json.JsonElement arguments, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        Runtime.Dispatcher.CallAsync(communicator, method, arguments, timeout, cancellationToken);

    /// <summary>Starts the pool <c>router</c>, which hands every incoming message to a function; the message is acknowledged when it returns.</summary>
    /// <exception cref="InvalidOperationException">Another function is already running, or a receiver is open.</exception>
    public Task StartRouterAsync(MessageHandler handler) => _open.StartRouterAsync(handler, Runtime, () => ThrowIfServed("in", competing: false));

    /// <summary>Acknowledges the open message and stops in order: for a program that has done its work. <see cref="DisposeAsync"/> has nothing left to do then.</summary>
    public Task StopAsync() => EndAsync(_open.CompleteAsync, wanted: true);

    /// <summary>Stops in order. A message that is still open is given back as <see cref="NackAsync"/> does; after SIGTERM or SIGINT without a failed attempt.</summary>
    public async ValueTask DisposeAsync()
    {
        await EndAsync(() => _open.AbandonAsync(failed: !_stopping.IsCancellationRequested), wanted: _stopping.IsCancellationRequested && !Runtime.Failure.IsCompleted);
        _stopping.Dispose();
        _failed.Dispose();
    }

    /// <summary>Ends this once; whoever comes later waits for the end that is under way, which is for ever where the next generation takes the place of this process.</summary>
    private Task EndAsync(Func<Task> close, bool wanted)
    {
        lock (_gate)
        {
            return _ending ??= Task.Run(() => EndOnceAsync(close, wanted));
        }
    }

    private async Task EndOnceAsync(Func<Task> close, bool wanted)
    {
        try
        {
            await close();
        }
        finally
        {
            await _stopping.CancelAsync();
            await Turn.WaitAsync();
            try
            {
                await _end.RunAsync(wanted, code => Exit(code));
            }
            finally
            {
                foreach (PosixSignalRegistration signal in _signals)
                {
                    signal.Dispose();
                }

                if (ReferenceEquals(_running, this))
                {
                    _running = null;
                }

                Turn.Release();
            }
        }
    }

    /// <summary>
    /// While the next generation takes the place of this process no call comes to an end: an exception of a store that is closed would end the program in between.
    /// </summary>
    private async Task UnlessReplacedAsync(Task call)
    {
        try
        {
            await call;
        }
        catch (Exception) when (_end.IsReplacing)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None);
            throw;
        }
    }

    private async Task<T> UnlessReplacedAsync<T>(Task<T> call)
    {
        await UnlessReplacedAsync((Task)call);
        return await call;
    }

    /// <summary>Whether an exception of a receive says that the program is to end.</summary>
    private bool IsEnd(Exception e) => e is OperationCanceledException ? _stopping.IsCancellationRequested : e is StoreUnavailableException && Runtime.Failure.IsCompleted;

    /// <summary>The store cannot go on: lets the program end in order, with exit code 4 however it ends.</summary>
    private async Task EndProcessAsync()
    {
        Environment.ExitCode = ExitCodes.Store;
        AppDomain.CurrentDomain.UnhandledException += (_, _) => Exit(ExitCodes.Store);
        try
        {
            await _failed.CancelAsync();
            await _stopping.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            return; // It is ending already.
        }

        await Task.Delay(Runtime.Configuration.Current.Get<RuntimeOptions>("runtime").StopTimeout, TimeProvider.System, CancellationToken.None);
        if (!IsEnding)
        {
            Exit(ExitCodes.Store);
        }
    }

    /// <summary>A restart has drained: lets the program come to its end, where it is replaced; one that does not come there is replaced where it is.</summary>
    private async Task EndForReplacementAsync()
    {
        _end.IsReplacement = true;
        try
        {
            await _stopping.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            return; // It has ended already.
        }

        await Task.Delay(Runtime.Configuration.Current.Get<RuntimeOptions>("runtime").StopTimeout, TimeProvider.System, CancellationToken.None);
        if (!IsEnding && _end.IsReplacement)
        {
            await EndAsync(static () => Task.CompletedTask, wanted: true);
            Exit(Environment.ExitCode); // a stop has overtaken it, and the program's calls do not come back
        }
    }

    private void Stop()
    {
        _end.Signal();
        Runtime.CloseIntake(); // whatever the program has to finish first: nothing more comes in
        _ = _stopping.CancelAsync();
    }

    private void OnSignal(PosixSignalContext signal)
    {
        // The first asks for an orderly end; a second one is left to the platform, which ends the process.
        signal.Cancel = Interlocked.Increment(ref _stops) == 1;
        Stop();
    }

    private void ThrowIfServed(string queue, bool competing)
    {
        if (!competing && Runtime.Workers.GetStatus().Any(pool => pool.Queue == queue))
        {
            throw new InvalidOperationException($"Queue '{queue}' has a handler pool, which would take messages away from this receiver. Remove the handlers, or pass competing: true.");
        }
    }
}
