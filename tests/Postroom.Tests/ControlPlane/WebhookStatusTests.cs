using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postroom.ControlPlane;
using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>Every answer of <c>/webhook</c> (WH-2), reached through the real runtime, its intake and its store.</summary>
public sealed class WebhookStatusTests
{
    [Fact]
    public async Task Ac43_a_success_and_a_repeat_are_200_with_an_empty_message_and_none_precedes_its_commit()
    {
        await using RealHttp http = await RealHttp.StartAsync(Idle);
        using ManualResetEventSlim flushed = new();
        TaskCompletionSource flushing = new(TaskCreationOptions.RunContinuationsAsynchronously);
        http.Store.Writer.CommitFault = committed =>
        {
            if (!committed)
            {
                flushing.TrySetResult();
                flushed.Wait(Cancel);
            }
        };

        Task<Answer> posting = http.SayAsync("491", headers: ("Idempotency-Key", "k"));
        await flushing.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        Assert.False(posting.IsCompleted);
        flushed.Set();
        Answer stored = await posting;
        Answer repeated = await http.SayAsync("491", headers: ("Idempotency-Key", "k"));

        Assert.Equal((200, 200), (stored.Status, repeated.Status));
        Assert.Equal("", stored.Json.GetProperty("message").GetString());
        Assert.Equal((false, true), (IsDuplicate(stored), IsDuplicate(repeated)));
        Assert.Equal(stored.EntryId, repeated.EntryId);
        Assert.NotNull(await http.Runtime.Journal.GetAsync(MessageId.Parse(stored.EntryId), false, Cancel));
    }

    [Fact]
    public async Task Ac43_what_is_wrong_with_a_request_is_400_409_413_or_415_and_nothing_of_it_is_stored()
    {
        await using RealHttp http = await RealHttp.StartAsync(Idle, "intake.webhook.maxBody=300");
        byte[] good = Encoding.UTF8.GetBytes("""{"sender":"491","msg_type":"chat","raw_msg":"hello"}""");

        Answer noObject = await http.Client.PostWebhookAsync("[1]"u8.ToArray(), "application/json");
        Answer noSender = await http.Client.PostWebhookAsync("""{"msg_type":"chat"}"""u8.ToArray(), "application/json");
        Answer refusedType = await http.Client.PostWebhookAsync("""{"sender":"491","msg_type":"_stop"}"""u8.ToArray(), "application/json");
        Answer otherType = await http.Client.PostWebhookAsync(good, "text/plain");
        Answer first = await http.Client.PostWebhookAsync(good, "application/json", ("Idempotency-Key", "k"));
        Answer conflict = await http.SayAsync("491", "something else", ("Idempotency-Key", "k"));
        Answer large = await http.SayAsync("491", new string('x', 300));

        Assert.Equal(
            (400, 400, 400, 413, 415, 200, 409),
            (noObject.Status, noSender.Status, refusedType.Status, large.Status, otherType.Status, first.Status, conflict.Status));
        Assert.Contains("intake.webhook.maxBody", large.Text, StringComparison.Ordinal);
        Assert.All([noObject, noSender, refusedType, large, otherType, conflict], answer => Assert.False(answer.Json.GetProperty("success").GetBoolean()));
        Assert.Equal(1, (await http.Runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total);
    }

    [Fact]
    public async Task Ac43_without_the_token_it_is_401()
    {
        await using RealHttp http = await RealHttp.StartAsync(Idle, "intake.webhook.token=t");

        Assert.Equal(401, (await http.SayAsync("491")).Status);
        Assert.Equal(200, (await http.SayAsync("491", headers: ("X-Postroom-Token", "t"))).Status);
    }

    [Fact]
    public async Task Ac43_too_many_of_a_sender_or_an_address_and_a_sender_with_too_many_waiting_are_429()
    {
        await using RealHttp bySender = await RealHttp.StartAsync(Idle, "intake.webhook.perSender=2/min");
        await using RealHttp byAddress = await RealHttp.StartAsync(Idle, "intake.webhook.perAddress=2/min");
        await using RealHttp byKey = await RealHttp.StartAsync(app => app.AddQueue("in", queue => queue.MaxPerKey = 2));

        foreach (RealHttp http in (RealHttp[])[bySender, byAddress, byKey])
        {
            Assert.Equal((200, 200), ((await http.SayAsync("491")).Status, (await http.SayAsync("491")).Status));
            Answer third = await http.SayAsync("491");
            Assert.Equal(429, third.Status);
            AssertSaysWhen(third);
        }

        Assert.Equal((200, 429, 200), ((await bySender.SayAsync("492")).Status, (await byAddress.SayAsync("492")).Status, (await byKey.SayAsync("492")).Status));

        // A sender whose messages are handled may write again.
        await foreach (Delivery delivery in byKey.Runtime.OpenQueue("in").ConsumeAsync(1, Cancel))
        {
            await byKey.Runtime.OpenQueue("in").AckAsync(delivery, null, Cancel);
            break;
        }

        Assert.Equal(200, (await byKey.SayAsync("491")).Status);
    }

    [Fact]
    public async Task Ac43_while_the_runtime_starts_and_stops_it_is_503()
    {
        TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RealHttp http = RealHttp.Create(Idle);
        http.Runtime.RegisterModule(new SlowModule(started.Task, stopped.Task));

        Task starting = http.Runtime.StartAsync(Cancel);
        await UntilAsync(() => http.Runtime.HasRooms && http.Runtime.Services.GetRequiredService<ControlPlaneService>().Addresses.Count > 0);
        Answer early = await http.SayAsync("491");
        started.SetResult();
        await starting;
        Answer running = await http.SayAsync("491");
        Task stopping = http.Runtime.StopAsync(Cancel);
        await UntilAsync(() => http.Runtime.State != RuntimeState.Running);
        Answer late = await http.SayAsync("491");
        stopped.SetResult();
        await stopping;

        Assert.Equal((503, 200, 503), (early.Status, running.Status, late.Status));
        AssertSaysWhen(early);
        AssertSaysWhen(late);
    }

    [Fact]
    public async Task Ac43_while_the_store_cannot_write_it_is_503()
    {
        await using RealHttp http = await RealHttp.StartAsync(Idle);
        http.Store.Writer.CommitFault = committed =>
        {
            if (!committed)
            {
                throw SqliteException.Create(SqliteCode.Full, "disk full", "commit", "the store");
            }
        };
        Answer full = await http.SayAsync("491");
        http.Store.Writer.CommitFault = null;

        Assert.Equal(503, full.Status);
        AssertSaysWhen(full);
        Assert.DoesNotContain("disk full", full.Text, StringComparison.Ordinal);
        Assert.Equal(200, (await http.SayAsync("491")).Status);
    }

    [Fact]
    public async Task Ac43_above_high_water_it_is_503()
    {
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddQueue("in", queue => (queue.HighWater, queue.LowWater) = (3, 2)));
        foreach (string sender in (string[])["1", "2", "3"])
        {
            Assert.Equal(200, (await http.SayAsync(sender)).Status);
        }

        Answer full = await http.SayAsync("4");

        Assert.Equal(503, full.Status);
        AssertSaysWhen(full);
        await http.Runtime.PurgeQueueAsync("in", "a test", Cancel);
        Assert.Equal(200, (await http.SayAsync("4")).Status);
    }

    /// <summary>Nothing takes the messages.</summary>
    private static void Idle(IApplicationBuilder app) => app.AddQueue("in");

    private static bool IsDuplicate(Answer answer) => answer.Json.GetProperty("data").GetProperty("duplicate").GetBoolean();

    private static void AssertSaysWhen(Answer answer) => Assert.InRange((int)answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);

    private sealed class SlowModule(Task started, Task stopped) : IApplicationModule, IModuleLifecycle
    {
        public string Name => "slow";

        public string Version => "1";

        public void Configure(IApplicationBuilder app)
        {
        }

        public Task OnStartedAsync(IServiceProvider services, CancellationToken cancellationToken) => started.WaitAsync(cancellationToken);

        public Task OnStoppingAsync(IServiceProvider services, CancellationToken cancellationToken) => stopped.WaitAsync(cancellationToken);
    }
}
