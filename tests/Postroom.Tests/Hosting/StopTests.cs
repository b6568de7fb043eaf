using System.Diagnostics;
using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Postroom.Hosting;
using Postroom.Memory;
using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>Starts that fail half-way, and stops with parts that do not end.</summary>
public sealed class StopTests
{
    [Fact]
    public async Task A_start_that_fails_after_the_store_was_opened_gives_its_lock_back()
    {
        using TempFolder folder = new();
        MessageRuntime failing = CreateDurable(folder, app => app.AddCommunicator(_ => throw new InvalidOperationException("no such service")));

        await Assert.ThrowsAsync<InvalidOperationException>(() => failing.StartAsync(Cancel));

        await using MessageRuntime next = CreateDurable(folder, _ => { });
        await next.StartAsync(Cancel);
        Assert.Equal(RuntimeState.Running, next.State);
        await failing.DisposeAsync();
        await failing.DisposeAsync();
    }

    [Fact]
    public async Task The_store_closes_also_when_the_stop_limit_is_over()
    {
        PhaseRunner phases = new(TimeProvider.System, NullLogger.Instance);
        bool closed = false;
        phases.Add(new RuntimePart("store", RuntimePhase.Store, _ => Task.CompletedTask, async (_, _) =>
        {
            await Task.Delay(200, CancellationToken.None);
            closed = true;
        }));
        phases.Add(new RuntimePart("deaf", RuntimePhase.Workers, _ => Task.CompletedTask, (_, _) => Task.Delay(Timeout.Infinite, CancellationToken.None)));
        await phases.StartAsync(_ => { }, TimeSpan.FromSeconds(1), Cancel);

        await phases.StopAsync(TimeSpan.Zero, TimeSpan.FromMilliseconds(50), Cancel);

        Assert.True(closed);
    }

    [Fact]
    public async Task A_part_that_fails_inside_its_start_is_stopped_with_the_others()
    {
        PhaseRunner phases = new(TimeProvider.System, NullLogger.Instance);
        phases.Add(new RuntimePart("store", RuntimePhase.Store, _ => Task.FromException(new IOException("half")), (_, _) => Task.CompletedTask));

        await Assert.ThrowsAsync<IOException>(() => phases.StartAsync(_ => { }, TimeSpan.FromSeconds(1), Cancel));

        Assert.Equal(["start store", "stop store"], phases.Record);
    }

    [Fact]
    public async Task A_source_that_ignores_its_token_does_not_use_up_the_stop()
    {
        MessageRuntime runtime = await StartAsync(app => app.AddSource("deaf", _ => new FunctionSource("deaf", (_, _) => Task.Delay(Timeout.Infinite, CancellationToken.None))), "runtime.drainTimeout=300ms");
        long begun = Stopwatch.GetTimestamp();

        await runtime.StopAsync(Cancel);

        Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.Zero, TimeSpan.FromSeconds(4));
        Assert.Equal(RuntimeState.Stopped, runtime.State);
    }

    [Fact]
    public async Task A_source_that_is_early_waits_for_the_intake_to_open()
    {
        int runs = 0;
        TaskCompletionSource<AcceptResult> accepted = new();
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddSource("early", _ => new FunctionSource("early", async (sink, token) =>
            {
                runs++;
                IReadOnlyList<AcceptResult> results = await sink.AcceptAsync([new SourceMessage("in", "work.todo", "{}"u8.ToArray())], null, token);
                accepted.TrySetResult(results[0]);
                await Task.Delay(Timeout.Infinite, token);
            }))
            .AddComponent(_ => new RuntimePart("slow", RuntimePhase.Sources, token => Task.Delay(300, token), (_, _) => Task.CompletedTask)));

        await accepted.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.Equal(1, runs);
    }

    [Fact]
    public async Task A_source_whose_senders_backlog_cannot_be_counted_pauses_and_goes_on_by_itself()
    {
        int runs = 0;
        IFaultyStore store = DispatchProxy.Create<IFaultyStore, FaultyStore>();
        FaultyStore faults = (FaultyStore)store;
        TaskCompletionSource accepted = new();
        await using MessageRuntime runtime = await StartAsync(
            app => app
                .AddStore("faulty", (_, _, _, _, _) => store)
                .AddSource("steady", _ => new FunctionSource("steady", async (sink, token) =>
                {
                    runs++;
                    await sink.AcceptAsync([new SourceMessage("in", "work.todo", "{}"u8.ToArray()) { Conversation = "c" }], null, token);
                    accepted.TrySetResult();
                    await Task.Delay(Timeout.Infinite, token);
                })),
            "store.kind=faulty");

        await UntilAsync(() => runtime.Rooms.Sources.Status()["steady"].State == SourceState.Paused);
        faults.CountFault = null;

        await accepted.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal(1, runs);
    }

    [Fact]
    public async Task A_forced_discard_ends_a_send()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Hangs());
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service), "runtime.drainTimeout=1s");
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("service", "anna") }, Cancel);
        await service.WaitForSendsAsync(1, Cancel);

        await runtime.DiscardAsync(sent.Ids[0], "wrong", force: true, Cancel);

        await UntilAsync(() => runtime.Rooms.Outbound.Lanes.Single().Pool.Status().Busy == 0);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
    }

    [Fact]
    public async Task A_contact_whose_message_was_refused_is_noted_with_the_next_one()
    {
        TaskCompletionSource go = new();
        RecordingCommunicator service = new("service");
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddCommunicator(_ => service).AddWork(async (_, _, _) =>
            {
                await go.Task;
                return HandlerResult.Completed;
            }),
            "store.memory.messages=1");
        MessageId first = await runtime.PublishAsync("x");
        IncomingMessage hello = new() { Text = "hello", SenderId = "anna" };
        await Assert.ThrowsAsync<IntakeClosedException>(async () => await service.ReceiveAsync(hello, Cancel));
        go.SetResult();
        await runtime.EndedAsync(first, MessageState.Acked);

        await service.ReceiveAsync(hello, Cancel);

        Assert.NotNull(await runtime.Store.Facts.GetAsync(FactScopes.Contact, "anna", Cancel));
    }

    private static MessageRuntime CreateDurable(TempFolder folder, Action<IApplicationBuilder> configure)
    {
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=sqlite", $"store.path={Path.Combine(folder.Path, "p.db")}"]) } },
        });
        runtime.RegisterModule(new TestModule(app =>
        {
            app.AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock));
            configure(app);
        }));
        return runtime;
    }

    /// <summary>What a store has to be.</summary>
    public interface IFaultyStore : IMessageStore, IJournal, ITransitionFeed, IStoreLifecycle, IQueueControl;

    /// <summary>A store in memory that cannot count.</summary>
    public class FaultyStore : DispatchProxy
    {
        private readonly MemoryStore _store = new();

        public Exception? CountFault { get; set; } = new StoreUnavailableException("The disk is gone.");

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            return targetMethod!.Name == nameof(IQueueControl.CountKeyAsync) && CountFault is { } fault
                ? throw fault
                : targetMethod.Invoke(_store, BindingFlags.DoNotWrapExceptions, null, args, null);
        }
    }
}
