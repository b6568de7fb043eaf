using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Postroom.Crash;

/// <summary>One message as the store file has it.</summary>
/// <param name="Seq">The order of acceptance.</param>
/// <param name="Id">The message's id.</param>
/// <param name="Queue">Its queue.</param>
/// <param name="State">0 pending, 1 dispatched, 2 acked, 3 failed.</param>
/// <param name="Attempt">The last attempt that began.</param>
/// <param name="Failure">The kind of failure; null for none.</param>
/// <param name="Parent">The parent's id; null for none.</param>
/// <param name="Tag">The name in the ledger.</param>
public sealed record JournalRow(long Seq, string Id, string Queue, int State, int Attempt, int? Failure, string? Parent, string Tag)
{
    /// <summary>Whether it has ended.</summary>
    public bool Ended => State >= 2;
}

/// <summary>What the checker knows of the store file.</summary>
/// <param name="Rows">The messages of the load.</param>
/// <param name="Totals">The store's own counts: queue and state (open, 2, 3) to number.</param>
/// <param name="Counts">The checkpoints: key to number.</param>
public sealed record JournalDump(IReadOnlyList<JournalRow> Rows, IReadOnlyDictionary<(string Queue, int State), long> Totals, IReadOnlyDictionary<string, long> Counts)
{
    // Written against the schema as documented, not with the product's code: the checker must not share its mistakes.
    private const string Messages = """
        select json_array(m.seq, lower(hex(m.id)), q.name, m.state, m.attempt, m.failure_kind, lower(hex(m.parent)), cast(m.body as text))
        from messages m join names q on q.id = m.queue join names t on t.id = m.type where t.name in ('load.parcel', 'load.child');
        """;

    private const string Sums = """
        select json_array(q.name, x.state, sum(x.n)) from totals x join names q on q.id = x.queue join names t on t.id = x.type
        where t.name in ('load.parcel', 'load.child') group by q.name, x.state;
        """;

    private const string Checkpoints = "select json_array(key, cast(value as text)) from facts where key like '%/count';";

    /// <summary>Reads the file of a dead or stopped application; changes nothing in it.</summary>
    public static async Task<JournalDump> ReadAsync(string store)
    {
        List<JournalRow> rows = [];
        foreach (JsonElement[] row in await QueryAsync(store, Messages))
        {
            string body = row[7].GetString()!;
            using JsonDocument parcel = JsonDocument.Parse(body);
            rows.Add(new JournalRow(
                row[0].GetInt64(), Id(row[1].GetString())!, row[2].GetString()!, row[3].GetInt32(), row[4].GetInt32(),
                row[5].ValueKind == JsonValueKind.Null ? null : row[5].GetInt32(), Id(row[6].GetString()), parcel.RootElement.GetProperty("tag").GetString()!));
        }

        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        foreach (JsonElement[] row in await QueryAsync(store, Checkpoints))
        {
            counts[row[0].GetString()!.Split('/')[0]] = long.Parse(row[1].GetString()!, CultureInfo.InvariantCulture);
        }

        return new JournalDump(rows, await ReadTotalsAsync(store), counts);
    }

    /// <summary>The store's own counts alone: cheap enough for every kill.</summary>
    public static async Task<IReadOnlyDictionary<(string Queue, int State), long>> ReadTotalsAsync(string store)
    {
        Dictionary<(string, int), long> totals = [];
        foreach (JsonElement[] row in await QueryAsync(store, Sums))
        {
            totals[(row[0].GetString()!, row[1].GetInt32())] = row[2].GetInt64();
        }

        return totals;
    }

    private static async Task<List<JsonElement[]>> QueryAsync(string store, string sql)
    {
        List<JsonElement[]> rows = [];
        StringBuilder errors = new();
        using System.Diagnostics.Process process = Shell.Start("sqlite3", ["-readonly", "-bail", "-list", store, sql]);
        process.ErrorDataReceived += (_, line) => errors.AppendLine(line.Data);
        process.BeginErrorReadLine();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            using JsonDocument json = JsonDocument.Parse(line);
            rows.Add([.. json.RootElement.EnumerateArray().Select(item => item.Clone())]);
        }

        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? rows : throw new InvalidOperationException($"sqlite3 cannot read '{store}': {errors}");
    }

    /// <summary>The 36 characters of an id from its hex digits.</summary>
    private static string? Id(string? hex) => string.IsNullOrEmpty(hex) ? null : $"{hex[..8]}-{hex[8..12]}-{hex[12..16]}-{hex[16..20]}-{hex[20..]}";
}
