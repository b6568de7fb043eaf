using System.Globalization;
using Postroom.Sqlite;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>
/// Random lives of messages on a store whose window holds eight of them, against a model that knows only the rules: one of a key at a time, none before
/// an older one that is due or waits for a retry, none while its key is halted or its type parked, and in the end nobody is forgotten.
/// </summary>
public sealed class RandomLifeTests(ITestOutputHelper output)
{
    private const string Queue = "orders";
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Twelve lives, or those from A to B of POSTROOM_RANDOM_LIVES=A-B.</summary>
    public static TheoryData<int> Seeds()
    {
        int[] range = [.. (Environment.GetEnvironmentVariable("POSTROOM_RANDOM_LIVES") ?? "1-12").Split('-').Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
        return [.. Enumerable.Range(range[0], range[1] - range[0] + 1)];
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_random_life_keeps_the_rules_and_ends(int seed)
    {
        using TempFolder folder = new();
        await using Life life = new(folder.Store, seed);
        await life.OpenAsync();
        try
        {
            for (int step = 0; step < 300; step++)
            {
                await life.StepAsync();
            }

            await life.EndAsync();
        }
        catch
        {
            output.WriteLine(string.Join('\n', life.Story));
            throw;
        }
    }

    private sealed class Known(MessageId id, string? key, string type, DateTimeOffset? notBefore, bool delayed)
    {
        public MessageId Id => id;

        public string? Key => key;

        public string Type => type;

        public DateTimeOffset? NotBefore { get; set; } = notBefore;

        /// <summary>Appended with a delay and not seen yet: it joins its key some time after its instant.</summary>
        public bool IsDelayed { get; set; } = delayed;

        /// <summary>Replayed: the head of its key, whatever its age.</summary>
        public bool GoesFirst { get; set; }

        public long Seq { get; set; }

        public MessageLease? Lease { get; set; }

        public MessageState State { get; set; }
    }

    private sealed class Life(string path, int seed) : IAsyncDisposable
    {
        private readonly Random _chance = new(seed);
        private readonly ManualClock _clock = new();
        private readonly Dictionary<MessageId, Known> _all = [];
        private readonly HashSet<MessageId> _halting = [];
        private readonly List<string> _begun = [];
        private QueueRules _rules = new();
        private SqliteStore _store = null!;

        public List<string> Story { get; } = [];

        private IEnumerable<Known> Open => _all.Values.Where(message => message.State == MessageState.Pending);

        public async Task OpenAsync()
        {
            _store = new SqliteStore(new StoreOptions { Path = path, Reserve = 0, Synchronous = StoreSynchronous.Normal }, new RetentionOptions(), new Redactor(), _clock) { Window = 8 };
            _store.SetRules(Queue, _rules);
            await _store.OpenAsync(new StoreOpening { Node = "random" }, Cancel);
        }

        public async Task StepAsync()
        {
            int dice = _chance.Next(100);
            Task step = dice switch
            {
                < 28 => AppendAsync(),
                < 55 => LeaseAsync(_chance.Next(1, 5)),
                < 82 => SettleAsync(),
                < 87 => ReplayAsync(),
                < 90 => DiscardAsync(),
                < 95 => AdvanceAsync(),
                < 98 => SetRulesAsync(),
                _ => seed % 3 == 0 ? AdvanceAsync() : ReopenAsync(),
            };
            await step;
        }

        /// <summary>Every handler is there, every instant passes, every halted key is decided: then all of them come, in order.</summary>
        public async Task EndAsync()
        {
            Tell("end");
            if (_rules.ParkedTypes.Count > 0 || seed % 2 == 0)
            {
                // New rules make the store go through its backlog from the start; half of the lives end without that help.
                _rules = new QueueRules();
                _store.SetRules(Queue, _rules);
            }

            foreach (MessageId halting in _halting.ToArray())
            {
                await DecideAsync(_all[halting]);
            }

            _clock.Advance(TimeSpan.FromHours(1));
            foreach (Known leased in Open.Where(message => message.Lease is not null).ToArray())
            {
                await EndAsync(leased, Settlement.Acknowledge, MessageState.Acked);
            }

            while (Open.Any())
            {
                int left = Open.Count();
                for (int wait = 0; wait < 100 && Open.Count() == left; wait++)
                {
                    await LeaseAsync(4);
                    foreach (Known leased in Open.Where(message => message.Lease is not null).ToArray())
                    {
                        await EndAsync(leased, Settlement.Acknowledge, MessageState.Acked);
                    }

                    _clock.Advance(TimeSpan.FromSeconds(5));
                }

                Assert.True(Open.Count() < left, $"Forgotten: {string.Join(", ", Open.OrderBy(message => message.Seq).Take(20).Select(Name))}");
            }

            Assert.Empty(_store.Lanes.Open);
            StoreQueueStats stats = new();
            for (int wait = 0; wait < 40 && (wait == 0 || stats.Delayed > 0); wait++)
            {
                // What is delayed on disk is counted again in at most a twentieth of the time: a count that an hour passed in is followed by twenty.
                _clock.Advance(TimeSpan.FromHours(1));
                await _store.AppendAsync([new Envelope(MessageId.New(), "other", "order.plain", default)], null, Cancel);
                await _store.Writer.FlushAsync();
                stats = (await _store.GetStatsAsync(Queue, Cancel)).Queues[Queue];
            }

            Assert.Equal((0, 0, 0, 0, 0), (stats.Pending, stats.Delayed, stats.Parked, stats.Blocked, stats.Dispatched));
        }

        public async ValueTask DisposeAsync() => await _store.DisposeAsync();

        private async Task AppendAsync()
        {
            Envelope[] batch = [.. Enumerable.Range(0, _chance.Next(1, 12)).Select(_ => Make())];
            foreach (Envelope envelope in batch)
            {
                _all[envelope.Id] = new Known(envelope.Id, envelope.OrderKey, envelope.Type, envelope.NotBefore, envelope.NotBefore is not null);
            }

            await _store.AppendAsync(batch, null, Cancel);
            foreach (Envelope envelope in batch)
            {
                _all[envelope.Id].Seq = (await _store.GetAsync(envelope.Id, false, Cancel))!.Entry.Envelope.Seq;
                Tell($"append {Name(_all[envelope.Id])} {envelope.NotBefore:HH:mm:ss}");
            }
        }

        private Envelope Make()
        {
            int key = _chance.Next(12);
            if (key == 10)
            {
                // One that begins a conversation, which later ones go on with.
                Envelope first = new(MessageId.New(), Queue, "order.plain", new byte[_chance.Next(64)]) { StartsConversation = true };
                _begun.Add(first.Id.ToString());
                return first;
            }

            return new Envelope(MessageId.New(), Queue, _chance.Next(8) == 0 ? "order.odd" : "order.plain", new byte[_chance.Next(64)])
            {
                Conversation = key == 11 && _begun.Count > 0 ? _begun[^_chance.Next(1, Math.Min(4, _begun.Count) + 1)] : key < 7 ? $"k{key}" : null,
                NotBefore = _chance.Next(7) == 0 ? _clock.GetUtcNow().AddSeconds(_chance.Next(1, 60)) : null,
            };
        }

        private async Task LeaseAsync(int max)
        {
            using CancellationTokenSource soon = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
            soon.CancelAfter(TimeSpan.FromMilliseconds(8));
            IReadOnlyList<MessageLease> leases;
            try
            {
                leases = await _store.LeaseAsync(Queue, max, LeaseTime, soon.Token);
            }
            catch (OperationCanceledException) when (!Cancel.IsCancellationRequested)
            {
                return;
            }

            foreach (MessageLease lease in leases)
            {
                Known message = _all[lease.Envelope.Id];
                Tell($"lease {Name(message)}");
                Check(message);
                message.Lease = lease;
                message.IsDelayed = false;
                if (_chance.Next(4) > 0)
                {
                    Assert.True(await _store.RenewAsync(lease, new LeaseProgress.Begin("random"), Cancel));
                }
            }
        }

        private void Check(Known message)
        {
            Assert.Equal(MessageState.Pending, message.State);
            Assert.Null(message.Lease);
            Assert.False(_rules.ParkedTypes.Contains(message.Type), "It is parked.");
            Assert.True(message.NotBefore is not { } due || due <= _clock.GetUtcNow(), $"It is due at {message.NotBefore}.");
            if (message.Key is null)
            {
                return;
            }

            Assert.DoesNotContain(_halting, halting => _all[halting].Key == message.Key);
            Known[] key = [.. Open.Where(other => other.Key == message.Key && other != message)];
            Assert.DoesNotContain(key, other => other.Lease is not null);
            Known? older = message.GoesFirst ? null : key.FirstOrDefault(other => other.Seq < message.Seq && !other.IsDelayed);
            Assert.True(older is null, older is null ? "" : $"{Name(message)} went before {Name(older)}.");
        }

        private async Task SettleAsync()
        {
            Known[] leased = [.. Open.Where(message => message.Lease is not null)];
            if (leased.Length == 0)
            {
                return;
            }

            Known message = leased[_chance.Next(leased.Length)];
            int dice = _chance.Next(100);
            if (dice < 60)
            {
                await EndAsync(message, Settlement.Acknowledge, MessageState.Acked);
            }
            else if (dice < 85)
            {
                DateTimeOffset due = _clock.GetUtcNow().AddSeconds(_chance.Next(3) == 0 ? 0 : _chance.Next(1, 60));
                message.NotBefore = due;
                await EndAsync(message, Settlement.RetryAt(due, "later"), MessageState.Pending);
            }
            else if (dice < 92)
            {
                await EndAsync(message, Settlement.Release, MessageState.Pending);
            }
            else
            {
                if (_rules.HaltOnFailure && message.Key is not null)
                {
                    _halting.Add(message.Id);
                }

                await EndAsync(message, Settlement.Fail(FailureKind.Rejected, "no"), MessageState.Failed);
            }
        }

        private async Task EndAsync(Known message, Settlement settlement, MessageState state)
        {
            Tell($"settle {Name(message)} {settlement.GetType().Name} {message.NotBefore:HH:mm:ss}");
            MessageLease lease = message.Lease!;
            message.Lease = null;
            message.State = state;
            await _store.SettleAsync(lease, settlement, [], Cancel);
        }

        private async Task ReplayAsync()
        {
            Known[] failed = [.. _all.Values.Where(message => message.State == MessageState.Failed)];
            if (failed.Length > 0)
            {
                await DecideAsync(failed[_chance.Next(failed.Length)]);
            }
        }

        private async Task DecideAsync(Known message)
        {
            Tell($"replay {Name(message)}");
            message.State = MessageState.Pending;
            message.NotBefore = null;
            message.IsDelayed = false;
            message.GoesFirst = true;
            _halting.Remove(message.Id);
            await _store.ReplayAsync(message.Id, new ReplayOptions(), Cancel);
        }

        private async Task DiscardAsync()
        {
            Known[] waiting = [.. Open.Where(message => message.Lease is null)];
            if (waiting.Length > 0)
            {
                Known message = waiting[_chance.Next(waiting.Length)];
                Tell($"discard {Name(message)}");
                message.State = MessageState.Failed;
                await _store.DiscardAsync(message.Id, "not wanted", force: false, Cancel);
            }
        }

        private Task AdvanceAsync()
        {
            _clock.Advance(TimeSpan.FromSeconds(_chance.Next(1, 30)));
            Tell($"now {_clock.GetUtcNow():HH:mm:ss}");
            return Task.CompletedTask;
        }

        private Task SetRulesAsync()
        {
            _rules = new QueueRules { HaltOnFailure = _chance.Next(2) == 0, ParkedTypes = _chance.Next(2) == 0 ? new HashSet<string> { "order.odd" } : new HashSet<string>() };
            Tell($"rules halt {_rules.HaltOnFailure} parked {_rules.ParkedTypes.Count}");
            _store.SetRules(Queue, _rules);
            return Task.CompletedTask;
        }

        private async Task ReopenAsync()
        {
            Tell("reopen");
            await _store.CloseAsync(Cancel);
            await _store.DisposeAsync();
            foreach (Known leased in Open.Where(message => message.Lease is not null))
            {
                leased.Lease = null;
            }

            await OpenAsync();
        }

        private void Tell(string what) => Story.Add(what);

        private static string Name(Known message) => $"{message.Seq}/{message.Key ?? "-"}/{message.Type[6..]}";
    }
}
