using System.Text.Json;
using Postroom.Configuration;
using Postroom.Outbound;

namespace Postroom.Hosting;

/// <content>What operators may do to settings, messages, schedules and channels.</content>
internal sealed partial class RuntimeControl
{
    private const string TestText = "This is a test message from Postroom.";
    private static readonly TimeSpan TestPatience = TimeSpan.FromSeconds(30);

    private ReplayMany? _many;

    private ReplayMany Many => LazyInitializer.EnsureInitialized(ref _many, () => new ReplayMany(Rooms.Journal, Rooms.Store, clock))!;

    public ValueTask<RuntimeStatus> GetStatusAsync(CancellationToken cancellationToken)
    {
        _ = Rooms;
        return runtime.View.GetStatusAsync(cancellationToken);
    }

    public async Task<ReloadResult> ReloadAsync(bool previous, CancellationToken cancellationToken)
    {
        _ = Rooms;
        ReloadResult result = await runtime.Configuration.ReloadAsync(previous, cancellationToken);
        return result.NothingToRestore
            ? throw new RuntimeConflictException("There is no configuration before this one: none was reloaded since the start, or it was restored already.")
            : result;
    }

    public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken) => Rooms.Journal.ReplayAsync(id, options, cancellationToken);

    public Task<ReplayManyResult> ReplayAsync(JournalQuery filter, ReplayManyOptions options, CancellationToken cancellationToken) => Many.RunAsync(filter, options, cancellationToken);

    public Task<ReplayManyResult> ReplayAsync(IReadOnlyList<MessageId> ids, ReplayManyOptions options, CancellationToken cancellationToken) => Many.RunAsync(ids, options, cancellationToken);

    public ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken) => Rooms.Journal.ConfirmAsync(id, user, cancellationToken);

    public ValueTask<long> CompactAsync(JournalRetention? retention, CancellationToken cancellationToken)
    {
        RetentionOptions now = runtime.Configuration.Current.Get<RetentionOptions>("retention");
        return Rooms.Journal.CompactAsync(retention ?? new JournalRetention(now.Acked, now.Failed), cancellationToken);
    }

    public Task<MessageId> RunScheduleAsync(string schedule, CancellationToken cancellationToken) => Rooms.Schedules.FireNowAsync(schedule, cancellationToken);

    public async Task<EmitOutcome> TestCommunicatorAsync(string communicator, string to, string? text, CancellationToken cancellationToken)
    {
        Registration registration = Registered(communicator);
        Address recipient = Address.TryParse(to, out Address? whole) && whole.Scheme == registration.Name ? whole
            : Address.TryParse($"{registration.Name}:{to}", out Address? own) ? own
            : throw new ArgumentException($"'{Names.Shorten(to)}' is no recipient of communicator '{registration.Name}'.", nameof(to));
        EmitResult sent = await Rooms.Sender.SendAsync(new OutgoingMessage(text is { Length: > 0 } ? text : TestText) { To = recipient, Source = "test" }, cancellationToken);
        return (await sent.WaitAsync(TestPatience, cancellationToken))[0];
    }

    public ValueTask<RemoteCallResult> CallAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken) =>
        Rooms.Dispatcher.CallAsync(Registered(communicator).Name, method, arguments, timeout, cancellationToken);
}
