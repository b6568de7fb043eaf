using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;

namespace Postroom.CrashApp;

/// <summary>What a message of the load carries: its name in the ledger.</summary>
/// <remarks><c>q3.k1.17.f</c>: queue, key, number of the key, kind. A child adds <c>.c0</c> to its parent's name.</remarks>
public sealed record Parcel(string Tag);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Parcel))]
public sealed partial class LoadJson : JsonSerializerContext;

/// <summary>Eight keyed queues and the mix of handlers: fast 65 %, delayed 5 %, 1 to 50 ms 20 %, throws once 5 %, publishes children 4 %, counts in a checkpoint 1 %.</summary>
internal sealed class Load(CrashOptions options, LedgerClient ledger)
{
    public const int Queues = 8;
    public const int Keys = 4;
    public const int Workers = 4;
    public const int SettleWindow = 64;
    public const string Kids = "kids";
    private const string ParcelType = "load.parcel";
    private const string ChildType = "load.child";

    public void Configure(IApplicationBuilder app)
    {
        foreach (string queue in (IEnumerable<string>)[.. Enumerable.Range(0, Queues).Select(n => $"q{n}"), Kids])
        {
            // Death by poison is another test's subject: here every death is the harness's.
            app.AddQueue(queue, o =>
            {
                o.PoisonDeaths = 100;
                o.MaxAttempts = 1_000;
                o.Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(5), Max = TimeSpan.FromMilliseconds(20) };
            });
            app.AddHandler(queue == Kids ? ChildType : ParcelType, LoadJson.Default.Parcel, HandleAsync, queue);
            app.AddWorkers(queue, o =>
            {
                o.Parallelism = Workers;
                o.SettleWindow = SettleWindow;
            });
        }

        app.AddHook(_ => new AckHook(ledger));
        app.AddComponent(services => new Publishers(options, ledger, services));
    }

    private async ValueTask<HandlerResult> HandleAsync(Parcel parcel, HandlerContext context, CancellationToken cancellationToken)
    {
        string tag = parcel.Tag;
        ledger.Write($"BEGIN {tag} {context.MessageId} {context.Attempt}");
        switch (KindOf(tag))
        {
            case 's':
                await Task.Delay(1 + (Math.Abs(StableHash(tag, 7)) % 50), cancellationToken);
                break;
            case 't' when context.Attempt == 1:
                ledger.Write($"THROW {tag} {context.MessageId} {context.Attempt}");
                throw new InvalidOperationException("This message fails once.");
            case 'c':
                for (int i = 0; i < 3; i++)
                {
                    context.Publish(Kids, ChildType, new Parcel($"{tag}.c{i}"));
                }

                break;
            case 'e':
                ReadOnlyMemory<byte>? before = await context.GetCheckpointAsync("count", cancellationToken);
                int count = before is { } value ? int.Parse(Encoding.ASCII.GetString(value.Span), CultureInfo.InvariantCulture) : 0;
                context.Checkpoint("count", Encoding.ASCII.GetBytes((count + 1).ToString(CultureInfo.InvariantCulture)));
                break;
        }

        ledger.Write($"DONE {tag} {context.MessageId} {context.Attempt}");
        return HandlerResult.Completed;
    }

    private static char KindOf(string tag) => tag.Count(c => c == '.') == 3 ? tag[^1] : 'f';

    private static int StableHash(string text, int seed)
    {
        uint hash = 2_166_136_261 ^ (uint)seed;
        foreach (char c in text)
        {
            hash = (hash ^ c) * 16_777_619;
        }

        return (int)(hash ^ (hash >> 15));
    }

    /// <summary>Reports what the runtime says is committed.</summary>
    private sealed class AckHook(LedgerClient ledger) : IDispatchHook
    {
        public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
        {
            return new(System.Text.Json.JsonSerializer.Deserialize(payload.Span, LoadJson.Default.Parcel)!.Tag);
        }

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken)
        {
            ledger.Write($"ACK {entryId}");
            return default;
        }

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;
    }

    /// <summary>One publisher per queue, which goes round its keys and repeats what failed or is in doubt until it is acknowledged.</summary>
    private sealed class Publishers(CrashOptions options, LedgerClient ledger, IServiceProvider services) : IRuntimeComponent
    {
        private readonly CancellationTokenSource _stopping = new();
        private Task _loops = Task.CompletedTask;

        public string Name => "publishers";

        public RuntimePhase Phase => RuntimePhase.Ready;

        public Task StartAsync(CancellationToken cancellationToken)
        {
            ledger.Write("READY");
            var runtime = (MessageRuntime)services.GetService(typeof(MessageRuntime))!;
            List<Task> loops = [];
            if (options.Rate > 0)
            {
                loops.AddRange(Enumerable.Range(0, Queues).Select(queue => Task.Run(() => PublishAsync(runtime, $"q{queue}"), CancellationToken.None)));
            }

            if (options.UntilEmpty)
            {
                loops.Add(Task.Run(() => WatchAsync(runtime), CancellationToken.None));
            }

            _loops = Task.WhenAll(loops);
            return Task.CompletedTask;
        }

        public async Task StopAsync(TimeSpan drain, CancellationToken cancellationToken)
        {
            await _stopping.CancelAsync();
            await _loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stopping.Dispose();
        }

        private async Task PublishAsync(MessageRuntime runtime, string queue)
        {
            long[] next = [.. Enumerable.Range(0, Keys).Select(key => ledger.Next.GetValueOrDefault($"{queue}.k{key}", 1))];
            TimeSpan pause = TimeSpan.FromSeconds((double)Queues / options.Rate);
            for (int turn = 0; !_stopping.IsCancellationRequested; turn = (turn + 1) % Keys)
            {
                string key = $"{queue}.k{turn}";
                string tag = $"{key}.{next[turn]}.{Pick(key, next[turn])}";
                ledger.Write($"CALL {tag}");
                try
                {
                    TimeSpan? delay = KindOf(tag) == 'd' ? TimeSpan.FromMilliseconds(1 + (Math.Abs(StableHash(tag, 11)) % 400)) : null;
                    PublishOptions how = new() { DedupKey = tag, Conversation = key, Delay = delay };
                    PublishResult stored = await runtime.Sender.PublishAsync(queue, ParcelType, new Parcel(tag), how, _stopping.Token);
                    ledger.Write($"OK {tag} {stored.Id}");
                    next[turn]++;
                    await Task.Delay(pause, _stopping.Token);
                }
                catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception e)
                {
                    ledger.Write($"ERR {tag} {e.GetType().Name}");
                    await Task.Delay(10);
                }
            }
        }

        private async Task WatchAsync(MessageRuntime runtime)
        {
            JournalQuery open = new() { States = [MessageState.Pending, MessageState.Dispatched], Limit = 1 };
            while ((await runtime.Journal.QueryAsync(open, _stopping.Token)).Items.Count > 0)
            {
                await Task.Delay(50, _stopping.Token);
            }

            ledger.Write("EMPTY");
        }

        private char Pick(string key, long number) => (int)((uint)StableHash(key + number.ToString(CultureInfo.InvariantCulture), options.Seed) % 100) switch
        {
            < 65 => 'f',
            < 70 => 'd',
            < 90 => 's',
            < 95 => 't',
            < 99 => 'c',
            _ => 'e',
        };
    }
}
