using System.Buffers.Binary;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Sqlite;

public sealed class WalScanTests : IDisposable
{
    private const int PageBytes = 4096;
    private const int FrameBytes = 24 + PageBytes;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_absent_or_empty_file_is_empty()
    {
        WalScanResult absent = WalScan.Scan(_folder.File("absent-wal"));
        WalScanResult empty = Scan([]);

        Assert.Equal(WalVerdict.Empty, absent.Verdict);
        Assert.Equal(WalVerdict.Empty, empty.Verdict);
    }

    [Fact]
    public void Every_frame_of_a_sound_file_is_counted()
    {
        byte[] wal = Record(transactions: 20, out int frames);

        WalScanResult result = Scan(wal);

        Assert.Equal(new WalScanResult(WalVerdict.Sound, PageBytes, frames, frames, 0, 0), result);
    }

    [Fact]
    public void A_flipped_byte_before_later_commits_is_damage()
    {
        byte[] wal = Record(transactions: 20, out int frames);
        wal[FrameAt(5) + 24 + 100] ^= 1;

        WalScanResult result = Scan(wal);

        Assert.Equal(WalVerdict.Damaged, result.Verdict);
        Assert.Equal(4, result.SoundFrames);
        Assert.Equal(frames - 5, result.FramesBehind);
        Assert.True(result.CommitsBehind > 1);
    }

    [Fact]
    public void A_flipped_salt_before_later_commits_is_damage()
    {
        byte[] wal = Record(transactions: 20, out _);
        wal[FrameAt(5) + 9] ^= 1;

        Assert.Equal(WalVerdict.Damaged, Scan(wal).Verdict);
    }

    [Fact]
    public void SQLite_itself_takes_no_notice_of_that_damage()
    {
        byte[] wal = Record(transactions: 20, out _);
        wal[FrameAt(5) + 24 + 100] ^= 1;
        File.WriteAllBytes(WalScan.PathFor(_folder.Store), wal);

        using SqliteConnection connection = SqliteConnection.Open(_folder.Store, SqliteAccess.ReadWrite);
        using SqliteStatement check = connection.Prepare("check", "pragma integrity_check");

        Assert.True(check.Step());
        Assert.Equal("ok", check.GetText(0));
    }

    [Fact]
    public void A_bad_last_frame_is_a_torn_tail()
    {
        byte[] wal = Record(transactions: 20, out int frames);
        wal[^1] ^= 1;

        WalScanResult result = Scan(wal);

        Assert.Equal((WalVerdict.TornTail, frames - 1), (result.Verdict, result.SoundFrames));
    }

    [Fact]
    public void A_hole_in_the_last_transaction_is_left_to_the_mark()
    {
        byte[] wal = Record(transactions: 3, out int frames, lastBodyBytes: 20_000);
        wal.AsSpan(FrameAt(frames - 2), FrameBytes).Clear();

        WalScanResult result = Scan(wal);

        Assert.Equal(WalVerdict.TornTransaction, result.Verdict);
        Assert.Equal((frames - 3, 2, 1), (result.SoundFrames, result.FramesBehind, result.CommitsBehind));
        Assert.True(result.LastCommitFrame < result.SoundFrames);
    }

    [Fact]
    public void A_file_cut_at_any_place_is_never_damage()
    {
        byte[] wal = Record(transactions: 4, out int frames);

        for (int length = 0; length < wal.Length; length += 977)
        {
            WalScanResult result = Scan(wal[..length]);
            Assert.Contains(result.Verdict, new[] { WalVerdict.Empty, WalVerdict.Sound });
            Assert.True(result.SoundFrames <= frames);
        }
    }

    [Fact]
    public void Frames_of_an_earlier_generation_are_not_damage()
    {
        byte[] wal = Record(transactions: 20, out int frames, secondGeneration: 3);

        WalScanResult result = Scan(wal);

        Assert.Equal(WalVerdict.Sound, result.Verdict);
        Assert.InRange(result.SoundFrames, 1, frames - 1);
    }

    [Fact]
    public void A_bad_header_before_frames_is_damage()
    {
        byte[] wal = Record(transactions: 2, out _);
        wal[17] ^= 1;

        Assert.Equal(WalVerdict.DamagedHeader, Scan(wal).Verdict);
    }

    [Fact]
    public void Checksums_of_a_machine_with_the_other_byte_order_are_read_too()
    {
        byte[] wal = InOtherByteOrder(Record(transactions: 5, out int frames));

        WalScanResult result = Scan(wal);

        Assert.Equal((WalVerdict.Sound, frames), (result.Verdict, result.SoundFrames));
    }

    private static int FrameAt(int frame) => 32 + ((frame - 1) * FrameBytes);

    /// <summary>The same file as a big-endian machine writes it: other magic, and checksums over big-endian words.</summary>
    private static byte[] InOtherByteOrder(byte[] wal)
    {
        wal[3] ^= 1;
        uint first = 0, second = 0;
        Sum(wal.AsSpan(0, 24));
        Store(wal.AsSpan(24));
        for (int at = 32; at < wal.Length; at += FrameBytes)
        {
            Sum(wal.AsSpan(at, 8));
            Sum(wal.AsSpan(at + 24, PageBytes));
            Store(wal.AsSpan(at + 16));
        }

        return wal;

        void Sum(ReadOnlySpan<byte> bytes)
        {
            for (int i = 0; i < bytes.Length; i += 8)
            {
                first += BinaryPrimitives.ReadUInt32BigEndian(bytes[i..]) + second;
                second += BinaryPrimitives.ReadUInt32BigEndian(bytes[(i + 4)..]) + first;
            }
        }

        void Store(Span<byte> at)
        {
            BinaryPrimitives.WriteUInt32BigEndian(at, first);
            BinaryPrimitives.WriteUInt32BigEndian(at[4..], second);
        }
    }

    private WalScanResult Scan(byte[] wal)
    {
        string path = _folder.File("copy-wal");
        File.WriteAllBytes(path, wal);
        return WalScan.Scan(path);
    }

    /// <summary>Lets SQLite write a WAL and copies it, as a crash would leave it; the database file is left as it was before.</summary>
    private byte[] Record(int transactions, out int frames, int lastBodyBytes = 600, int secondGeneration = 0)
    {
        using SqliteConnection connection = SqliteConnection.Open(_folder.Store, SqliteAccess.ReadWriteCreate);
        connection.Execute("schema", $"pragma page_size={PageBytes}; pragma journal_mode=wal; create table notes (seq integer primary key, body blob)");
        _ = connection.Checkpoint(SqliteCheckpoint.Truncate);
        using SqliteStatement insert = connection.Prepare("insert", "insert into notes (body) values (zeroblob(?1))");
        Insert(transactions, lastBodyBytes);
        frames = connection.WalFrames;
        byte[] before = File.ReadAllBytes(_folder.Store);
        if (secondGeneration > 0)
        {
            _ = connection.Checkpoint(SqliteCheckpoint.Passive);
            Insert(secondGeneration, 600);
        }

        byte[] wal = File.ReadAllBytes(WalScan.PathFor(_folder.Store));
        connection.Dispose();
        File.WriteAllBytes(_folder.Store, before);
        return wal;

        void Insert(int count, int last)
        {
            for (int i = 1; i <= count; i++)
            {
                insert.Bind(1, i == count ? last : 600);
                insert.Run();
            }
        }
    }
}
