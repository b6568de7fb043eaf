using System.Text;
using Postroom.Sqlite;
using Postroom.Storage;
using Xunit;

namespace Postroom.Tests.Sqlite;

public sealed class FileTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ForwardClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Crc32C_of_the_published_examples()
    {
        Assert.Equal(0xE306_9283u, Crc32C.Of("123456789"u8));
        Assert.Equal(0x8A91_36AAu, Crc32C.Of(new byte[32])); // RFC 3720 B.4
        Assert.Equal(0u, Crc32C.Of([]));
        Assert.Equal(Crc32C.Of("a longer text"u8), Crc32C.Append(Crc32C.Of("a longer"u8), " text"u8));
    }

    [Fact]
    public void Files_and_directories_are_made_for_their_owner_alone()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Modes are Unix.");
            return;
        }

        string directory = _folder.File("data");
        string file = Path.Combine(directory, "a.db");

        PrivateFiles.CreateDirectory(directory);
        PrivateFiles.CreateUnlessExists(file);
        PrivateFiles.CreateUnlessExists(file);

        Assert.False(PrivateFiles.IsTooOpen(directory));
        Assert.False(PrivateFiles.IsTooOpen(file));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.True(PrivateFiles.IsTooOpen(file));
        Assert.False(PrivateFiles.IsTooOpen(_folder.File("absent")));
    }

    [Fact]
    public void The_volume_tells_its_free_space_and_that_it_is_local()
    {
        Assert.True(PrivateFiles.FreeBytes(_folder.Path) > 0);
        Assert.Null(PrivateFiles.NetworkFileSystem(_folder.Path));
    }

    [Fact]
    public void St16_files_and_a_directory_that_others_may_use_are_told_with_mode_and_remedy()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Modes are of Unix.");
        string[] files = [_folder.Store, WalScan.PathFor(_folder.Store), OwnerLock.PathFor(_folder.Store), MarkFile.PathFor(_folder.Store), InFlightTable.PathFor(_folder.Store)];
        foreach (string file in files)
        {
            PrivateFiles.CreateNew(file);
        }

        Assert.Empty(PrivateFiles.Notices(_folder.Store));
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(files[0], (UnixFileMode)0b110_100_000);
            File.SetUnixFileMode(files[4], (UnixFileMode)0b110_110_110);
            File.SetUnixFileMode(_folder.Path, (UnixFileMode)0b111_111_101);
        }

        IReadOnlyList<string> notices = PrivateFiles.Notices(_folder.Store);

        Assert.Equal(2, notices.Count);
        Assert.Contains($"'{files[0]}' (0640), '{files[4]}' (0666)", notices[0], StringComparison.Ordinal);
        Assert.Contains("chmod 600", notices[0], StringComparison.Ordinal);
        Assert.Contains($"'{_folder.Path}' (0775)", notices[1], StringComparison.Ordinal);
    }

    [Fact]
    public void An_untouched_file_is_the_one_opened_whatever_is_written_to_it()
    {
        FileIdentityWatch watch = WatchNewFile(out string path);

        File.AppendAllText(path, "more");

        Assert.Null(CheckLater(watch));
    }

    [Fact]
    public void A_deleted_file_is_noticed()
    {
        FileIdentityWatch watch = WatchNewFile(out string path);

        File.Delete(path);

        Assert.Contains("was deleted", CheckLater(watch), StringComparison.Ordinal);
    }

    [Fact]
    public void A_replaced_file_is_noticed_even_with_the_same_content()
    {
        FileIdentityWatch watch = WatchNewFile(out string path);
        File.Copy(path, _folder.File("other"));

        File.Move(_folder.File("other"), path, overwrite: true);

        Assert.Contains("was replaced", CheckLater(watch), StringComparison.Ordinal);
    }

    [Fact]
    public void A_further_name_is_noticed_until_it_is_removed()
    {
        FileIdentityWatch watch = WatchNewFile(out string path);
        using var link = System.Diagnostics.Process.Start("ln", [path, _folder.File("second")]);
        link.WaitForExit();

        Assert.Contains("2 names instead of 1", CheckLater(watch), StringComparison.Ordinal);

        File.Delete(_folder.File("second"));
        Assert.Null(CheckLater(watch));
    }

    [Fact]
    public void Paths_are_looked_at_once_a_second()
    {
        FileIdentityWatch watch = WatchNewFile(out string path);
        File.Delete(path);

        string? atOnce = watch.Check();
        string? later = CheckLater(watch);
        File.WriteAllText(path, "");

        Assert.Null(atOnce);
        Assert.NotNull(later);
        Assert.Equal(later, watch.Check());
    }

    private FileIdentityWatch WatchNewFile(out string path)
    {
        Assert.SkipUnless(FileIdentity.IsKnown, "This platform does not tell a file's identity.");
        path = _folder.File("watched");
        File.WriteAllText(path, "content", Encoding.UTF8);
        var watch = new FileIdentityWatch(_clock);
        watch.Remember(path);
        return watch;
    }

    private string? CheckLater(FileIdentityWatch watch)
    {
        _clock.Advance();
        return watch.Check();
    }

    /// <summary>A clock that stands still until it is moved by two seconds.</summary>
    private sealed class ForwardClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance() => _ticks += 2 * TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;
    }
}
