using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Handling;

/// <summary>What a handler does at once, without staging: typing, calls, files.</summary>
public sealed class HandlerVerbTests
{
    [Fact]
    public async Task Ac64_typing_is_shown_every_4_seconds_while_the_handler_runs_and_never_stored_or_replayed()
    {
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            async (_, context, _) =>
            {
                context.Signal(new Signal.Typing(context.From!));
                begun.SetResult();
                await end.Task;
                return HandlerResult.Completed;
            },
            "in"));
        test.Communicator.With(new CommunicatorCapabilities { Typing = true });

        MessageId id = await test.SendAsync("hello");
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        await UntilAsync(() => test.Communicator.Signals.Count == 1);
        foreach (int shown in (int[])[2, 3])
        {
            test.Clock.Advance(TimeSpan.FromSeconds(4));
            await UntilAsync(() => test.Communicator.Signals.Count == shown);
        }

        end.SetResult();
        await test.Runtime.EndedAsync(id, MessageState.Acked);
        await test.RunUntilIdleAsync(Cancel);
        test.Clock.Advance(TimeSpan.FromSeconds(60));
        await test.RunUntilIdleAsync(Cancel);

        Assert.Equal(3, test.Communicator.Signals.Count);
        Assert.All(test.Communicator.Signals, signal => Assert.Equal("test:12345678", ((Signal.Typing)signal.Signal).Address.ToString()));
        Assert.Equal(1, (await test.Runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total);
    }

    [Fact]
    public async Task Tg14_typing_ends_when_it_is_hidden_or_when_the_handler_throws()
    {
        TaskCompletionSource shown = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource hidden = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            async (_, context, _) =>
            {
                context.Signal(new Signal.Typing(context.From!));
                await shown.Task; // of two signs for one address that wait, only the later one is shown
                context.Signal(new Signal.Typing(context.From!) { Ttl = TimeSpan.Zero });
                hidden.SetResult();
                await end.Task;
                context.Signal(new Signal.Typing(context.From!));
                throw new PermanentException("no");
            },
            "in"));
        test.Communicator.With(new CommunicatorCapabilities { Typing = true });

        MessageId id = await test.SendAsync("hello");
        await UntilAsync(() => test.Communicator.Signals.Count == 1);
        shown.SetResult();
        await hidden.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        await UntilAsync(() => test.Communicator.Signals.Count == 2);
        test.Clock.Advance(TimeSpan.FromSeconds(8));
        end.SetResult();
        await test.Runtime.EndedAsync(id, MessageState.Failed);
        await UntilAsync(() => test.Communicator.Signals.Count == 3);
        await test.RunUntilIdleAsync(Cancel);
        test.Clock.Advance(TimeSpan.FromSeconds(8));
        await test.RunUntilIdleAsync(Cancel);

        Assert.Equal(3, test.Communicator.Signals.Count);
    }

    [Fact]
    public async Task Gw12_a_handler_calls_a_method_of_a_communicator_and_a_failure_is_a_result()
    {
        RemoteCallResult? members = null;
        RemoteCallResult? nobody = null;
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => new Keeper()).AddWork(async (_, context, token) =>
        {
            members = await context.CallAsync("keeper", "members", JsonElement.Parse("""{ "chat": "7" }"""), TimeSpan.FromSeconds(5), token);
            nobody = await context.CallAsync("nobody", "members", JsonElement.Parse("{}"), cancellationToken: token);
            return HandlerResult.Completed;
        }));

        await runtime.EndedAsync(await runtime.PublishAsync("1"), MessageState.Acked);

        Assert.Equal("7", members!.Result!.Value.GetString());
        Assert.Equal("unavailable", nobody!.Error!.Code);
    }

    [Theory]
    [InlineData("photo", null)]
    [InlineData("forged", "does not have the hash")]
    [InlineData("short", "has 9 bytes where the message says 7")]
    [InlineData("huge", "at most 20971520")]
    [InlineData("gone", "expired at the service")]
    public async Task Wa10_a_handler_opens_a_file_by_reference_and_gets_the_bytes_with_hash_and_length_checked(string reference, string? problem)
    {
        byte[] bytes = "the photo"u8.ToArray();
        string? read = null;
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => new Keeper()).AddHandler<IncomingMessage>(
            "chat.image",
            PostroomJson.Default.IncomingMessage,
            async (_, context, token) =>
            {
                await using Stream stream = await context.OpenAsync(Assert.Single(context.Envelope.Attachments), token);
                using StreamReader reader = new(stream);
                read = await reader.ReadToEndAsync(token);
                return HandlerResult.Completed;
            },
            "in"), "queues.in.maxAttempts=1");
        await UntilAsync(() => runtime.Dispatcher.Names.Count == 1);

        MessageId id = await AppendAsync(runtime, "keeper:ann", new Attachment
        {
            Name = "photo.jpg",
            Reference = reference,
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)),
            Length = reference == "short" ? 7 : null,
        });
        JournalRecord record = await runtime.EndedAsync(id, problem is null ? MessageState.Acked : MessageState.Failed);

        Assert.Equal(problem is null ? "the photo" : null, read);
        Assert.Contains(problem ?? "", record.Entry.Error ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gone:ann", "communications.backends.gone")]
    [InlineData("plain:ann", "fetches no files")]
    [InlineData("keeper:ann", "has not started")]
    public async Task Wa10_a_file_whose_communicator_is_gone_says_what_to_do(string from, string problem)
    {
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddCommunicator(_ => new RecordingCommunicator("plain"))
            .AddCommunicator(_ => new Keeper { Broken = true })
            .AddHandler<IncomingMessage>(
                "chat.image",
                PostroomJson.Default.IncomingMessage,
                async (_, context, token) =>
                {
                    await using Stream stream = await context.OpenAsync(context.Envelope.Attachments[0], token);
                    return HandlerResult.Completed;
                },
                "in"), "queues.in.maxAttempts=1");

        JournalRecord record = await runtime.EndedAsync(await AppendAsync(runtime, from, new Attachment { Name = "a.jpg", Reference = "photo" }), MessageState.Failed);

        Assert.Contains(problem, record.Entry.Error, StringComparison.Ordinal);
    }

    private static async Task<MessageId> AppendAsync(MessageRuntime runtime, string from, Attachment file)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new IncomingMessage { Text = "" }, PostroomJson.Default.IncomingMessage);
        Envelope envelope = new(MessageId.New(), "in", "chat.image", body) { From = Address.Parse(from), Attachments = [file], Direction = MessageDirection.Inbound, MaxAttempts = 1 };
        await runtime.Store.AppendAsync([envelope], null, Cancel);
        return envelope.Id;
    }

    /// <summary>A service that keeps files and knows one method.</summary>
    private sealed class Keeper() : Communicator("keeper"), IAttachmentSource, IRemoteCalls
    {
        public bool Broken { get; init; }

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public IReadOnlyCollection<string> Methods { get; } = ["members"];

        public ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken) => attachment.Reference switch
        {
            "forged" => new(Encoding.UTF8.GetBytes("something")),
            "huge" => new(new byte[Attachment.MaxLength + 1]),
            "gone" => throw new DeliveryException(new DeliveryFailure.Refused("410"), "expired at the service"),
            _ => new(Encoding.UTF8.GetBytes("the photo")),
        };

        public ValueTask<JsonElement> InvokeAsync(string method, JsonElement arguments, CancellationToken cancellationToken) => new(arguments.GetProperty("chat"));

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => new(new DeliveryReceipt { Status = DeliveryStatus.Sent });

        protected override Task OnStartAsync(CancellationToken cancellationToken) => Broken ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
    }
}
