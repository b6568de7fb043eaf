using System.Diagnostics;
using Postroom.Sqlite;

namespace Postroom.CrashApp;

/// <summary>Opens a store as a build two versions on would, and ends itself with SIGKILL where it is told to.</summary>
internal static class Migrate
{
    private static readonly SchemaStep[] Steps =
    [
        new(1, "alter table notes add column first text"),
        new(2, "create table second(a integer); alter table notes add column third text"),
    ];

    public static async Task<int> RunAsync(CrashOptions options)
    {
        SchemaPlan plan = new(3, Steps) { Reached = point => DieAt(point, options.DieAt) };
        await using SqliteStore store = new(new StoreOptions { Path = options.Store, Reserve = 0 }, new RetentionOptions(), new Redactor(), TimeProvider.System) { SchemaPlan = plan };
        RecoveryReport report = await store.OpenAsync(new StoreOpening { Node = "migrate" }, CancellationToken.None);
        Console.WriteLine($"PENDING {report.Pending}");
        await store.CloseAsync(CancellationToken.None);
        return 0;
    }

    private static void DieAt(string point, string? deadly)
    {
        if (point == deadly)
        {
            using Process self = Process.GetCurrentProcess();
            self.Kill();
            Thread.Sleep(Timeout.Infinite); // The signal is on its way.
        }
    }
}
