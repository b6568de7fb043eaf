using System.Diagnostics;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Sqlite;

public sealed class OwnerLockTests : IDisposable
{
    // What an owner does, in another process: lock the file, write the id, live on under the same id.
    private const string OwnerScript = """exec 9<>"$1"; flock -n 9 || exit 1; echo $$ >&9; echo locked; exec sleep 60""";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_second_owner_fails_at_once_and_names_the_first()
    {
        using OwnerLock first = OwnerLock.Acquire(_folder.Store);

        var refused = Assert.Throws<StoreInUseException>(() => OwnerLock.Acquire(_folder.Store));

        Assert.Equal(Environment.ProcessId, refused.OwnerId);
        Assert.Contains($"in use by process {Environment.ProcessId}", refused.Message, StringComparison.Ordinal);
        Assert.False(PrivateFiles.IsTooOpen(OwnerLock.PathFor(_folder.Store)));
        Assert.False(first.Handle.IsClosed);
    }

    [Fact]
    public void A_lock_given_up_is_free()
    {
        OwnerLock.Acquire(_folder.Store).Dispose();

        using OwnerLock next = OwnerLock.Acquire(_folder.Store);
    }

    [Fact]
    public async Task The_lock_of_a_killed_process_is_free_at_once()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs flock(1).");
        using Process owner = StartOwner();
        Assert.Equal("locked", await owner.StandardOutput.ReadLineAsync(Cancel));
        var refused = Assert.Throws<StoreInUseException>(() => OwnerLock.Acquire(_folder.Store));

        owner.Kill();
        await owner.WaitForExitAsync(Cancel);
        using OwnerLock next = OwnerLock.Acquire(_folder.Store);

        Assert.Equal(owner.Id, refused.OwnerId);
        var ours = Assert.Throws<StoreInUseException>(() => OwnerLock.Acquire(_folder.Store));
        Assert.Equal(Environment.ProcessId, ours.OwnerId);
    }

    [Fact]
    public async Task A_process_that_has_ended_and_that_nobody_has_waited_for_holds_nothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs /proc.");
        // The shell's child takes the lock and ends at once; the shell goes on without waiting for it.
        ProcessStartInfo start = new("bash", ["-c", "bash -c 'exec 9<>\"$0\"; flock -n 9; echo $$ >&9' \"$0\" & exec sleep 60", OwnerLock.PathFor(_folder.Store)]);
        OwnerLock.Acquire(_folder.Store).Dispose();
        using Process parent = Process.Start(start)!;
        try
        {
            int? child = null;
            for (int i = 0; i < 400 && !(child is { } id && id != Environment.ProcessId && File.Exists($"/proc/{id}/stat") && File.ReadAllText($"/proc/{id}/stat").Contains(") Z", StringComparison.Ordinal)); i++)
            {
                await Task.Delay(25, Cancel);
                child = OwnerLock.ReadOwner(_folder.Store);
            }

            Assert.False(OwnerLock.IsHeld(_folder.Store));
        }
        finally
        {
            parent.Kill();
        }
    }

    [Fact]
    public async Task Another_process_cannot_take_our_lock()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs flock(1).");
        using OwnerLock ours = OwnerLock.Acquire(_folder.Store);

        using Process second = StartOwner();
        await second.WaitForExitAsync(Cancel);

        Assert.Equal(1, second.ExitCode);
    }

    [Fact]
    public async Task A_hot_restart_waits_for_the_owner_to_end()
    {
        OwnerLock old = OwnerLock.Acquire(_folder.Store);
        Task<OwnerLock> waiting = OwnerLock.AcquireAsync(_folder.Store, TimeSpan.FromSeconds(30), TimeProvider.System, Cancel).AsTask();
        Assert.False(waiting.IsCompleted);

        old.Dispose();

        using OwnerLock next = await waiting;
        await Assert.ThrowsAsync<StoreInUseException>(
            () => OwnerLock.AcquireAsync(_folder.Store, TimeSpan.Zero, TimeProvider.System, Cancel).AsTask());
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Process StartOwner()
    {
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (string argument in new[] { "-c", OwnerScript, "sh", OwnerLock.PathFor(_folder.Store) })
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }
}
