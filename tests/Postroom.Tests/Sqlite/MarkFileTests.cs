using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Sqlite;

public sealed class MarkFileTests : IDisposable
{
    private static readonly Mark Fifth = new(Run: 2, CommitNo: 5, AppendedTotal: 50);
    private static readonly Mark Sixth = new(Run: 2, CommitNo: 6, AppendedTotal: 61);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_new_file_has_no_mark()
    {
        using MarkFile file = MarkFile.Open(_folder.Store);

        Assert.Equal(MarkFileState.New, file.State);
        Assert.Null(file.Newest);
        Assert.False(PrivateFiles.IsTooOpen(MarkFile.PathFor(_folder.Store)));
    }

    [Fact]
    public void The_newest_mark_is_read_at_the_next_start_whatever_their_number()
    {
        for (int commit = 1; commit <= 5; commit++)
        {
            Mark written = new(Run: 7, commit, commit * 10);
            using (MarkFile file = MarkFile.Open(_folder.Store))
            {
                file.Write(written);
            }

            using MarkFile again = MarkFile.Open(_folder.Store);
            Assert.Equal(MarkFileState.Sound, again.State);
            Assert.Equal(written, again.Newest);
        }
    }

    [Fact]
    public void One_bad_slot_leaves_the_other_mark_and_is_replaced_by_the_next_write()
    {
        WriteBoth();
        Flip(at: 512 + 12); // the sixth went to the second slot

        using (MarkFile file = MarkFile.Open(_folder.Store))
        {
            Assert.Equal((MarkFileState.Sound, Fifth), (file.State, file.Newest!.Value));
            file.Write(Sixth);
        }

        using MarkFile again = MarkFile.Open(_folder.Store);
        Assert.Equal(Sixth, again.Newest);
    }

    [Fact]
    public void Two_bad_slots_are_unreadable_until_rewritten()
    {
        WriteBoth();
        Flip(at: 12);
        Flip(at: 512 + 30);

        using (MarkFile file = MarkFile.Open(_folder.Store))
        {
            Assert.Equal(MarkFileState.Unreadable, file.State);
            Assert.Null(file.Newest);
            file.Rewrite(Fifth);
        }

        using MarkFile again = MarkFile.Open(_folder.Store);
        Assert.Equal(Fifth, again.Newest);
    }

    [Fact]
    public void A_rewrite_goes_back_below_both_marks()
    {
        WriteBoth();
        Mark lower = new(Run: 3, CommitNo: 2, AppendedTotal: 20);

        using (MarkFile file = MarkFile.Open(_folder.Store))
        {
            file.Rewrite(lower);
        }

        using MarkFile again = MarkFile.Open(_folder.Store);
        Assert.Equal(lower, again.Newest);
    }

    private void WriteBoth()
    {
        using MarkFile file = MarkFile.Open(_folder.Store);
        file.Write(Fifth);
        file.Write(Sixth);
    }

    private void Flip(int at)
    {
        string path = MarkFile.PathFor(_folder.Store);
        byte[] content = File.ReadAllBytes(path);
        content[at] ^= 0x10;
        File.WriteAllBytes(path, content);
    }
}
