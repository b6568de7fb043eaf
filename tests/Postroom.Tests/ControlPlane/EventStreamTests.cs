using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.AspNetCore.Http;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class EventStreamTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("one", "data: one\n\n")]
    [InlineData("", "data: \n\n")]
    [InlineData("a\nb", "data: a\ndata: b\n\n")]
    [InlineData("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n")]
    [InlineData("a\u2028b\u0085c\fd", "data: a\u2028b\u0085c\fd\n\n")]
    [InlineData("data: x\n\nevent: y", "data: data: x\ndata: \ndata: event: y\n\n")]
    [InlineData("😀", "data: 😀\n\n")]
    public void Text_of_any_lines_is_one_event(string text, string written) => Assert.Equal(written, Format(new ServerEvent(null, null, text)));

    [Fact]
    public void Id_and_name_come_first_and_cannot_break_out()
    {
        Assert.Equal("id: 7\nevent: state\ndata: {}\n\n", Format(new ServerEvent("7", "state", "{}")));
        Assert.Equal("id: 7data: x\nevent: ab\ndata: y\n\n", Format(new ServerEvent("7\r\ndata: x", "a\n\0b", "y")));
        Assert.Equal("id: 9\n\n", Format(new ServerEvent("9", null, null)));
    }

    [Fact]
    public async Task A_silent_stream_is_kept_alive_and_events_still_come()
    {
        EventStream stream = new(TimeProvider.System, keepAlive: TimeSpan.FromMilliseconds(20));
        DefaultHttpContext context = new();
        SignallingStream body = new(": keep-alive\n\n");
        context.Response.Body = body;
        Task pump = stream.PumpAsync(context.Response, _ => false, _ => { }, Cancel);
        await body.Seen.WaitAsync(TimeSpan.FromSeconds(10), Cancel);

        Assert.True(stream.TryAdd(new ServerEvent("1", null, "after")));
        await body.WaitForAsync("data: after\n\n").WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        stream.End();

        await pump;
    }

    [Fact]
    public void A_client_that_does_not_read_is_disconnected_after_256_events()
    {
        EventStream stream = new(TimeProvider.System);
        ServerEvent item = new("1", null, "x");
        for (int i = 0; i < EventStream.Capacity; i++)
        {
            Assert.True(stream.TryAdd(item));
        }

        Assert.False(stream.TryAdd(item));
        Assert.True(stream.Ended.IsCancellationRequested);
    }

    [Fact]
    public async Task Events_reach_the_streams_of_their_contact_and_of_all_contacts()
    {
        RecordedChat journal = new();
        ChatHub hub = new(journal, TimeProvider.System);
        await using Client alice = new(hub, "alice");
        await using Client bob = new(hub, "bob");
        await using Client everyone = new(hub, null);
        await Task.WhenAll(alice.ReadyAsync(), bob.ReadyAsync(), everyone.ReadyAsync());

        Assert.Equal(1, hub.Publish("alice", new ServerEvent("1", null, "for alice")));
        Assert.Equal(0, hub.Publish("nobody", new ServerEvent("2", null, "for nobody")));

        await alice.Body.WaitForAsync("for alice").WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        await everyone.Body.WaitForAsync("for nobody").WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        Assert.DoesNotContain("alice", bob.Body.Text, StringComparison.Ordinal);
        Assert.Equal("alice:1", await journal.Delivered.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
    }

    [Fact]
    public async Task A_client_that_comes_back_gets_what_it_missed_once_and_before_what_is_new()
    {
        RecordedChat journal = new() { Missed = [new("5", null, "five"), new("6", null, "six")] };
        ChatHub hub = new(journal, TimeProvider.System);
        journal.DuringReplay = () =>
        {
            hub.Publish("alice", new ServerEvent("6", null, "six"));
            hub.Publish("alice", new ServerEvent("7", null, "seven"));
        };

        await using Client alice = new(hub, "alice", lastEventId: "4");
        await alice.Body.WaitForAsync("seven").WaitAsync(TimeSpan.FromSeconds(10), Cancel);

        Assert.Equal("4", journal.AskedAfter);
        Assert.EndsWith("id: 5\ndata: five\n\nid: 6\ndata: six\n\nid: 7\ndata: seven\n\n", alice.Body.Text, StringComparison.Ordinal);
        Assert.StartsWith("retry: 2000\n\n", alice.Body.Text, StringComparison.Ordinal);
        Assert.Equal("text/event-stream", alice.Context.Response.ContentType);
        Assert.Equal("no", alice.Context.Response.Headers["X-Accel-Buffering"]);
    }

    [Fact]
    public async Task A_new_client_learns_its_position_without_a_message()
    {
        ChatHub hub = new(new RecordedChat { Position = "41" }, TimeProvider.System);

        await using Client alice = new(hub, "alice");

        await alice.Body.WaitForAsync("id: 41\n\n").WaitAsync(TimeSpan.FromSeconds(10), Cancel);
    }

    [Fact]
    public async Task One_stream_too_many_is_told_to_come_later_and_a_place_is_free_again_afterwards()
    {
        ChatHub hub = new(new RecordedChat(), TimeProvider.System, maxStreams: 1);
        Client first = new(hub, "alice");
        await first.ReadyAsync();

        await using Client second = new(hub, "bob");
        await second.Served;
        Assert.Equal(503, second.Context.Response.StatusCode);
        Assert.Equal("5", second.Context.Response.Headers.RetryAfter);

        await first.DisposeAsync();
        Assert.Equal(0, hub.Count);
    }

    [Fact]
    public void The_chat_page_is_embedded_whole()
    {
        Assert.Subset(ChatPage.Names.ToHashSet(), new HashSet<string> { "index.html", "chat.css", "chat.js", "icon.svg" });
    }

    private static string Format(ServerEvent item)
    {
        ArrayBufferWriter<byte> output = new();
        EventStream.Write(output, item);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private sealed class Client : IAsyncDisposable
    {
        private readonly CancellationTokenSource _left = new();

        public Client(ChatHub hub, string? contact, string? lastEventId = null)
        {
            Context.Response.Body = Body;
            Context.RequestAborted = _left.Token;
            Context.Request.Headers["Last-Event-ID"] = lastEventId;
            Served = hub.ServeAsync(Context, contact);
        }

        public DefaultHttpContext Context { get; } = new();

        public SignallingStream Body { get; } = new("retry: 2000");

        public Task Served { get; }

        public Task ReadyAsync() => Body.Seen.WaitAsync(TimeSpan.FromSeconds(10), Cancel);

        public async ValueTask DisposeAsync()
        {
            await _left.CancelAsync();
            await Served;
            _left.Dispose();
        }
    }

    private sealed class RecordedChat : IChatJournal
    {
        private readonly TaskCompletionSource<string> _delivered = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyList<ServerEvent> Missed { get; init; } = [];

        public string? Position { get; init; }

        public string? AskedAfter { get; private set; }

        public Action? DuringReplay { get; set; }

        /// <summary>The first message that a stream of a contact carried.</summary>
        public Task<string> Delivered => _delivered.Task;

        public async IAsyncEnumerable<ServerEvent> ReplayAsync(
            string? contact, string afterId, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            AskedAfter = afterId;
            DuringReplay?.Invoke();
            await Task.Yield();
            foreach (ServerEvent item in Missed)
            {
                yield return item;
            }
        }

        public ValueTask<string?> PositionAsync(string? contact, CancellationToken cancellationToken) => new(Position);

        public void Carried(string contact, string id) => _delivered.TrySetResult($"{contact}:{id}");
    }

    /// <summary>What was written, and a signal when a text is part of it.</summary>
    private sealed class SignallingStream(string first) : MemoryStream
    {
        private readonly Lock _lock = new();
        private readonly List<(string Text, TaskCompletionSource Seen)> _waiting = [];
        private readonly StringBuilder _written = new();
        private Task? _first;

        public Task Seen => _first ??= WaitForAsync(first);

        public string Text
        {
            get
            {
                lock (_lock)
                {
                    return _written.ToString();
                }
            }
        }

        public Task WaitForAsync(string text)
        {
            lock (_lock)
            {
                TaskCompletionSource seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting.Add((text, seen));
                Signal();
                return seen.Task;
            }
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            lock (_lock)
            {
                _written.Append(Encoding.UTF8.GetString(buffer.Span));
                Signal();
            }

            return ValueTask.CompletedTask;
        }

        private void Signal()
        {
            string written = _written.ToString();
            foreach ((string text, TaskCompletionSource seen) in _waiting)
            {
                if (written.Contains(text, StringComparison.Ordinal))
                {
                    seen.TrySetResult();
                }
            }
        }
    }
}
