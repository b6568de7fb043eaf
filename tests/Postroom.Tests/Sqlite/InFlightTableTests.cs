using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Sqlite;

public sealed class InFlightTableTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_had_begun_and_not_ended_is_found_by_the_next_run()
    {
        var id = Guid.NewGuid();
        using (InFlightTable table = Open(run: 4))
        {
            int ended = table.Begin(seq: 1, Guid.NewGuid(), attempt: 1);
            table.Begin(seq: 2, id, attempt: 3);
            table.End(ended);
        }

        using InFlightTable next = Open(run: 5);

        Assert.Equal([new InFlightEntry(2, id, Attempt: 3, Run: 4)], next.Leftovers);
        Assert.False(PrivateFiles.IsTooOpen(InFlightTable.PathFor(_folder.Store)));
    }

    [Fact]
    public void What_has_begun_is_read_beside_its_owner_without_making_or_changing_a_file()
    {
        Assert.Empty(InFlightTable.Read(_folder.Store));
        Assert.False(File.Exists(InFlightTable.PathFor(_folder.Store)));

        var id = Guid.NewGuid();
        using InFlightTable owner = Open(run: 4);
        owner.End(owner.Begin(seq: 1, Guid.NewGuid(), attempt: 1));
        owner.Begin(seq: 2, id, attempt: 3);

        Assert.Equal([new InFlightEntry(2, id, Attempt: 3, Run: 4)], InFlightTable.Read(_folder.Store));
        Assert.Equal(1, owner.Count);
    }

    [Fact]
    public void Leftovers_survive_a_crash_during_recovery_and_end_with_clear()
    {
        Guid old = Guid.NewGuid(), begun = Guid.NewGuid();
        using (InFlightTable first = Open(run: 1))
        {
            first.Begin(seq: 1, old, attempt: 1);
        }

        using (InFlightTable second = Open(run: 2))
        {
            second.Begin(seq: 2, begun, attempt: 1);
        }

        using (InFlightTable third = Open(run: 3))
        {
            Assert.Equal([1, 2], third.Leftovers.Select(entry => entry.Seq).Order());
            third.Clear();
            Assert.Empty(third.Leftovers);
            Assert.Equal(0, third.Count);
        }

        using InFlightTable fourth = Open(run: 4);
        Assert.Empty(fourth.Leftovers);
    }

    [Fact]
    public void A_slot_with_a_flipped_bit_is_left_out_and_freed_by_clear()
    {
        using (InFlightTable table = Open(run: 1))
        {
            table.Begin(seq: 1, Guid.NewGuid(), attempt: 1);
        }

        string path = InFlightTable.PathFor(_folder.Store);
        byte[] content = File.ReadAllBytes(path);
        content[10] ^= 1; // within the id of the first slot
        File.WriteAllBytes(path, content);

        using InFlightTable next = Open(run: 2);

        Assert.Empty(next.Leftovers);
        Assert.Equal(1, next.Count);
        next.Clear();
        Assert.Equal(0, next.Count);
    }

    [Fact]
    public void It_grows_to_its_bound_and_then_refuses()
    {
        using (InFlightTable table = Open(run: 1))
        {
            int[] slots = new int[InFlightTable.MaxSlots];
            for (int i = 0; i < slots.Length; i++)
            {
                slots[i] = table.Begin(i + 1, Guid.Empty, attempt: 1);
            }

            Assert.Equal(slots.Length, slots.Distinct().Count());
            Assert.Throws<InvalidOperationException>(() => table.Begin(1, Guid.Empty, attempt: 1));
        }

        using InFlightTable next = Open(run: 2);
        Assert.Equal(InFlightTable.MaxSlots, next.Leftovers.Count);
    }

    [Fact]
    public void Workers_at_once_never_share_a_slot_and_leave_nothing_behind()
    {
        using InFlightTable table = Open(run: 1);
        int[] owners = new int[InFlightTable.MaxSlots];

        Parallel.For(0, 8, worker =>
        {
            for (int i = 1; i <= 20_000; i++)
            {
                int slot = table.Begin(i, Guid.Empty, worker);
                Assert.Equal(1, Interlocked.Increment(ref owners[slot]));
                Interlocked.Decrement(ref owners[slot]);
                table.End(slot);
            }
        });

        Assert.Equal(0, table.Count);
    }

    [Fact]
    public void Beginning_and_ending_allocate_nothing()
    {
        using InFlightTable table = Open(run: 1);
        table.End(table.Begin(1, Guid.Empty, 1));

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            table.End(table.Begin(1, Guid.Empty, 1));
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private InFlightTable Open(long run) => InFlightTable.Open(_folder.Store, run);
}
