using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>What happens near <c>store.maxSize</c> (ST-19).</summary>
public sealed class MaxSizeTests
{
    private const long MaxSize = 2L << 20;
    private const int Size = 16 << 10;

    private readonly ManualClock _clock = new(); // moved by hand, for the store looks once a second

    [Fact]
    public async Task St19_near_the_largest_size_the_oldest_acknowledged_messages_go_early_and_admission_goes_on()
    {
        await using StoreFixture fixture = await StartAsync();
        MessageId? first = null;
        MessageId last = default;
        MessageId failed = await FailAsync(fixture);

        // Five times what there is room for. Where admission has to wait for room, it does so for moments.
        for (int i = 0; i < 5 * MaxSize / Size; i++)
        {
            last = await AppendSoonAsync(fixture);
            first ??= last;
            await fixture.AckAsync(await fixture.LeaseAsync(begin: false));
        }

        Assert.Null(await fixture.Store.GetAsync(first!.Value, withBody: false, Cancel));
        Assert.NotNull(await fixture.Store.GetAsync(last, withBody: false, Cancel));
        Assert.NotNull(await fixture.Store.GetAsync(failed, withBody: false, Cancel));
        await RuntimeHarness.UntilAsync(() => new FileInfo(fixture.Options.Path).Length <= MaxSize);
    }

    [Fact]
    public async Task St19_with_nothing_acknowledged_left_admission_stops_says_so_and_goes_on_once_there_is()
    {
        await using StoreFixture fixture = await StartAsync();
        StoreUnavailableException? refused = null;
        int stored = 0;
        for (int i = 0; i < 3 * MaxSize / Size && refused is null; i++)
        {
            try
            {
                await fixture.AppendAsync(Message(size: Size));
                stored++;
            }
            catch (StoreUnavailableException full)
            {
                refused = full;
            }

            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.NotNull(refused);
        for (int i = 0; i < stored; i++)
        {
            await fixture.AckAsync(await fixture.LeaseAsync(begin: false)); // what is in work goes on
        }

        await AppendSoonAsync(fixture);
    }

    private async Task<StoreFixture> StartAsync() => await OpenAsync(fixture =>
    {
        fixture.Options.MaxSize = MaxSize;
        fixture.Clock = _clock;
    });

    /// <summary>Stores one message as soon as it is taken.</summary>
    private async Task<MessageId> AppendSoonAsync(StoreFixture fixture)
    {
        MessageId id = default;
        await RuntimeHarness.UntilAsync(async () =>
        {
            try
            {
                _clock.Advance(TimeSpan.FromSeconds(1));
                id = await fixture.AppendAsync(Message(size: Size));
                return true;
            }
            catch (StoreUnavailableException)
            {
                return false;
            }
        });
        return id;
    }

    private static async Task<MessageId> FailAsync(StoreFixture fixture)
    {
        MessageId id = await fixture.AppendAsync(Message(size: Size));
        MessageLease lease = await fixture.LeaseAsync();
        await fixture.Store.SettleAsync(lease, Settlement.Fail(FailureKind.Rejected, "no"), [], Cancel);
        return id;
    }
}
