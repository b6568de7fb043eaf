using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Raw;
using Postroom.Benchmarks.Runtime;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Measures;

/// <summary>The lines that several measures share.</summary>
internal static class Lines
{
    public const string Postroom = "Postroom";
    public const string RawStore = "raw SQLite, store's table";
    public const string RawSix = "raw SQLite, six columns";

    /// <summary>Publishers at full speed; each run begins with an empty folder.</summary>
    public static Line Saturated(Workspace workspace, string name, int publishers, Func<Folder, Counter, Task<IPipeline>> start) => new(name, async duration =>
    {
        using Folder folder = workspace.NewFolder();
        return await SaturateAsync(folder, publishers, start, duration);
    });

    /// <summary>Publishers at full speed.</summary>
    public static async Task<Sample> SaturateAsync(Folder folder, int publishers, Func<Folder, Counter, Task<IPipeline>> start, TimeSpan duration)
    {
        await using IPipeline pipeline = await start(folder, new Counter());
        return await Load.SaturateAsync(pipeline, publishers, duration);
    }

    /// <summary>The whole runtime on SQLite.</summary>
    public static Line Durable(Workspace workspace, int publishers, RuntimeShape shape, string name = Postroom) =>
        Saturated(workspace, name, publishers, (folder, counter) => RuntimeAsync(shape with { File = folder.File(StoreFiller.FileName) }, counter));

    /// <summary>The raw pipeline on the store's table.</summary>
    public static Line Raw(Workspace workspace, int publishers, Func<RawShape, RawShape>? change = null, string name = RawStore) =>
        Raw(workspace, name, publishers, StoreTable.Create, change);

    /// <summary>The raw pipeline on six columns.</summary>
    public static Line RawColumns(Workspace workspace, int publishers, Func<RawShape, RawShape>? change = null) =>
        Raw(workspace, RawSix, publishers, SixColumnTable.Create, change);

    public static async Task<IPipeline> RuntimeAsync(RuntimeShape shape, Counter counter) => await RuntimePipeline.StartAsync(shape, counter);

    public static Task<IPipeline> RawAsync(RawShape shape, Counter counter) => Task.FromResult<IPipeline>(new SqlitePipeline(shape, counter));

    private static Line Raw(Workspace workspace, string name, int publishers, Func<SqliteConnection, RawTable> create, Func<RawShape, RawShape>? change) =>
        Saturated(workspace, name, publishers, (folder, counter) =>
        {
            RawShape shape = new(folder.File(StoreFiller.FileName), create);
            return RawAsync(change is null ? shape : change(shape), counter);
        });
}
