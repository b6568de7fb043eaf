using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Diagnostics;
using Postroom.Intake;
using Postroom.Memory;
using Postroom.Outbound;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>LN-11, LN-12, JN-6: what later receipts come to, whatever their order and whoever stores them first.</summary>
public sealed class LateReceiptTests : IAsyncDisposable
{
    private readonly ManualClock _clock = new();
    private readonly MemoryStore _store;
    private readonly RuntimeMetrics _metrics = new();
    private readonly DeliveryFailures _failures;
    private readonly LateReceipts _late;

    public LateReceiptTests()
    {
        _store = new MemoryStore(_clock);
        _failures = new DeliveryFailures(_metrics, _clock, NullLogger.Instance);
        _late = new LateReceipts(_store, _store, _failures, _metrics, static () => false, _clock, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        _failures.Dispose();
        _metrics.Dispose();
        await _store.DisposeAsync();
    }

    [Theory]
    [InlineData(DeliveryStatus.Sent, DeliveryStatus.Failed)]
    [InlineData(DeliveryStatus.Failed, DeliveryStatus.Sent)]
    public async Task Ln11_a_send_that_one_post_proves_and_gives_up_is_not_confirmed_in_any_order(DeliveryStatus first, DeliveryStatus second)
    {
        MessageId id = await UncertainAsync();

        await TakeAsync(Late(id, first, "w1"), Late(id, second, "w1"));

        JournalEntry entry = (await RecordAsync(id)).Entry;
        Assert.Equal((MessageState.Failed, FailureKind.Uncertain), (entry.State, entry.FailureKind));
    }

    [Fact]
    public async Task Ln11_a_send_is_confirmed_although_the_same_post_gives_up_another_one()
    {
        MessageId id = await UncertainAsync();

        await TakeAsync(Late(id, DeliveryStatus.Sent, "w2"), Late(id, DeliveryStatus.Failed, "w1"));

        Assert.Equal(MessageState.Acked, (await RecordAsync(id)).Entry.State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ln11_of_two_posts_at_once_that_prove_and_give_up_a_send_none_confirms_it_once_both_are_stored(bool proofIsFollowedFirst)
    {
        MessageId id = await UncertainAsync();
        ResolvedReceipts proof = await ResolveAsync(Late(id, DeliveryStatus.Sent, "w1"));
        ResolvedReceipts failure = await ResolveAsync(Late(id, DeliveryStatus.Failed, "w1"));
        await StoreAsync(proof);
        await StoreAsync(failure);

        foreach (ResolvedReceipts resolved in proofIsFollowedFirst ? [proof, failure] : (ResolvedReceipts[])[failure, proof])
        {
            await _late.FollowAsync(resolved, Cancel);
        }

        Assert.Equal(MessageState.Failed, (await RecordAsync(id)).Entry.State);
        Assert.Empty(_failures.LastHour());
    }

    [Fact]
    public async Task Ln12_what_is_given_up_while_its_proof_confirms_it_is_told_once()
    {
        MessageId id = await UncertainAsync();
        ResolvedReceipts failure = await ResolveAsync(Late(id, DeliveryStatus.Failed, "w1"));
        await TakeAsync(Late(id, DeliveryStatus.Sent, "w1"));
        await StoreAsync(failure);
        await _late.FollowAsync(failure, Cancel);

        MessageState state = (await RecordAsync(id)).Entry.State;
        _clock.Advance(TimeSpan.FromSeconds(1));
        await UntilAsync(() => _failures.LastHour().Count > 0);
        _clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(MessageState.Acked, state);
        (string communicator, long count, FailedDelivery last) = Assert.Single(_failures.LastHour());
        Assert.Equal(("channel", 1, id), (communicator, count, last.MessageId));
    }

    [Theory]
    [InlineData(DeliveryStatus.Sent)]
    [InlineData(DeliveryStatus.Delivered)]
    public async Task Ln11_a_proof_that_was_stored_before_the_process_ended_confirms_when_it_is_repeated(DeliveryStatus status)
    {
        MessageId id = await UncertainAsync();
        await StoreAsync(await ResolveAsync(Late(id, status, "w1"))); // ended before it is followed

        await TakeAsync(Late(id, status, "w1"));

        JournalRecord record = await RecordAsync(id);
        Assert.Equal(MessageState.Acked, record.Entry.State);
        Assert.Equal(["w1", null], record.Receipts.Select(static receipt => receipt.OutsideId)); // once, and the confirmation
    }

    [Fact]
    public async Task Ln11_a_known_proof_of_what_was_given_up_since_confirms_nothing()
    {
        MessageId id = await UncertainAsync();
        await StoreAsync(await ResolveAsync(Late(id, DeliveryStatus.Sent, "w1")));
        await StoreAsync(await ResolveAsync(Late(id, DeliveryStatus.Failed, "w1")));

        await TakeAsync(Late(id, DeliveryStatus.Sent, "w1"));

        Assert.Equal(MessageState.Failed, (await RecordAsync(id)).Entry.State);
    }

    [Fact]
    public async Task Jn6_a_confirmation_is_no_word_of_the_service_which_is_kept_when_it_comes()
    {
        MessageId id = await UncertainAsync();
        await _store.ConfirmAsync(id, "anna", Cancel);

        await TakeAsync(Late(id, DeliveryStatus.Delivered, "w1"));
        await TakeAsync(Late(id, DeliveryStatus.Delivered, "w1"));

        Assert.Equal([null, "w1"], (await RecordAsync(id)).Receipts.Select(static receipt => receipt.OutsideId));
    }

    [Fact]
    public async Task Ln12_a_replayed_send_that_a_late_word_proved_is_told_when_it_is_given_up()
    {
        MessageId id = await UncertainTwiceAsync();
        await TakeAsync(Late(id, DeliveryStatus.Sent, "w2"));

        // The service dates what it says of the send itself, which was before the proof.
        await TakeAsync(Late(id, DeliveryStatus.Failed, "w2", _clock.GetUtcNow() - TimeSpan.FromMinutes(90)));

        Assert.Equal(MessageState.Acked, (await RecordAsync(id)).Entry.State);
        Assert.Equal(id, Assert.Single(_failures.LastHour()).Last.MessageId);
    }

    [Fact]
    public async Task Ln12_whether_a_failure_is_of_the_last_send_is_told_by_the_begin_of_that_and_not_of_its_confirmation()
    {
        MessageId id = await UncertainTwiceAsync();
        DateTimeOffset began = (await RecordAsync(id)).Attempts[^1].StartedAt!.Value;
        await _store.ConfirmAsync(id, "anna", Cancel);

        await TakeAsync(Late(id, DeliveryStatus.Failed, "first", began - TimeSpan.FromMinutes(1)));
        int before = _failures.LastHour().Count;
        await TakeAsync(Late(id, DeliveryStatus.Failed, "second", began + TimeSpan.FromMinutes(1)));

        Assert.Equal(0, before);
        Assert.Equal(id, Assert.Single(_failures.LastHour()).Last.MessageId);
    }

    private static LateReceipt Late(MessageId id, DeliveryStatus status, string outsideId, DateTimeOffset at = default) =>
        new(new DeliveryReceipt { Status = status, OutsideId = outsideId, At = at, Detail = status == DeliveryStatus.Failed ? "131026" : null }) { MessageId = id };

    private ValueTask<ResolvedReceipts> ResolveAsync(params LateReceipt[] receipts) => _late.ResolveAsync(receipts, static _ => default, Cancel);

    private async Task StoreAsync(ResolvedReceipts resolved) => _ = await _store.WriteAsync(new StoreWrite { Notes = resolved.Notes }, Cancel);

    private async Task TakeAsync(params LateReceipt[] receipts)
    {
        ResolvedReceipts resolved = await ResolveAsync(receipts);
        await StoreAsync(resolved);
        await _late.FollowAsync(resolved, Cancel);
    }

    private async Task<JournalRecord> RecordAsync(MessageId id) => (await _store.GetAsync(id, withBody: false, Cancel))!;

    /// <summary>A message whose send left no answer.</summary>
    private async Task<MessageId> UncertainAsync()
    {
        MessageId id = MessageId.New();
        await _store.OpenAsync(new StoreOpening { Node = "test" }, Cancel);
        await _store.AppendAsync([new Envelope(id, OutboundQueue.Of("channel"), PayloadTypes.Notify, "{}"u8.ToArray()) { CreatedAt = _clock.GetUtcNow() }], null, Cancel);
        await SendAsync();
        return id;
    }

    /// <summary>One that was replayed an hour later, and whose second send left no answer either, an hour ago.</summary>
    private async Task<MessageId> UncertainTwiceAsync()
    {
        MessageId id = await UncertainAsync();
        _clock.Advance(TimeSpan.FromHours(1));
        await _store.ReplayAsync(id, new ReplayOptions { KeepAttempts = true }, Cancel);
        await SendAsync();
        _clock.Advance(TimeSpan.FromHours(1));
        return id;
    }

    private async Task SendAsync()
    {
        MessageLease lease = Assert.Single(await _store.LeaseAsync(OutboundQueue.Of("channel"), 1, TimeSpan.FromMinutes(1), Cancel));
        await _store.RenewAsync(lease, new LeaseProgress.Begin("lane"), Cancel);
        await _store.RenewAsync(lease, new LeaseProgress.Claim(_clock.GetUtcNow()), Cancel);
        await _store.SettleAsync(lease, Settlement.Fail(FailureKind.Uncertain, "no answer"), [], Cancel);
    }
}
