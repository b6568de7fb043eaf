using System.Globalization;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>What <c>doctor</c> looks at besides the store itself: who can read its files, where they are, who has them open, and how a running program is.</summary>
internal static class DoctorLooks
{
    /// <summary>How far a message may be dated ahead of this machine's clock: clocks differ a little.</summary>
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(1);

    /// <summary>Modes, file system, clock and lock.</summary>
    public static IEnumerable<Finding> AtPlace(string path, ConfigurationSnapshot settings)
    {
        string full = Path.GetFullPath(path);
        string data = Path.GetFullPath(settings.Get<RuntimeOptions>("runtime").DataDirectory);
        string key = Path.Combine(data, AdminKeyFile.Name);
        string[] notices =
        [
            .. Directory.Exists(Path.GetDirectoryName(full)) ? PrivateFiles.Notices(full) : [],
            .. PrivateFiles.IsTooOpen(key) ? (string[])[$"Others than its owner may read or write the first key '{key}'. Set it to 0600: chmod 600 '{key}'"] : [],
        ];
        foreach (string notice in notices)
        {
            yield return new Finding(false, notice);
        }

        if (notices.Length == 0 && File.Exists(full) && !OperatingSystem.IsWindows())
        {
            yield return new Finding(true, $"Only their owner can read the store's files{(File.Exists(key) ? " and the first key" : "")}.");
        }

        if (!File.Exists(full))
        {
            yield break;
        }

        if (Clock(full) is { } clock)
        {
            yield return clock;
        }

        yield return OwnerLock.IsHeld(full)
            ? new Finding(true, $"A program has the store open{(OwnerLock.ReadOwner(full) is { } owner ? string.Create(CultureInfo.InvariantCulture, $" (process {owner})") : "")}.")
            : new Finding(true, "No program has the store open.");
    }

    /// <summary>How a running program is, part by part: each communicator and source with what its service said last.</summary>
    public static async Task<IReadOnlyList<Finding>> AtRuntimeAsync(HostArguments arguments, string path, ConfigurationSnapshot settings, CancellationToken cancellationToken)
    {
        if (!File.Exists(path) || !OwnerLock.IsHeld(path))
        {
            return [];
        }

        try
        {
            using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
            HealthView? health = client is null ? null : await client.HealthAsync(cancellationToken);
            return health is null
                ? [new Finding(false, "The program that has the store open does not answer. Look at its log, and whether server.urls of these settings is where it listens.")]
                : [.. health.Checks.Select(static check => new Finding(check.Status == "healthy", Of(check)))];
        }
        catch (NotReachableException e)
        {
            return [new Finding(false, e.Message)];
        }
    }

    /// <summary>A part in words. One that is healthy and says something waits for a moment, such as for a service that is away.</summary>
    private static string Of(HealthCheckView check) => check switch
    {
        { Status: "healthy", Text: { Length: > 0 } waits } => $"{check.Name} waits, which is no fault yet: {waits}",
        { Text: { Length: > 0 } text } => $"{check.Name} is {check.Status}: {text}",
        _ => $"{check.Name} is {check.Status}.",
    };

    /// <summary>A clock that is behind what it stamped before; null where nothing is to be seen.</summary>
    private static Finding? Clock(string path)
    {
        try
        {
            using SqliteJournalReader journal = SqliteJournalReader.Open(path);
            DateTimeOffset now = TimeProvider.System.GetUtcNow();
            return journal.Query(new JournalQuery { Limit = 1, WithTotal = false }).Items is [{ Envelope.CreatedAt: var newest }] && newest > now + Ahead
                ? new Finding(false, $"This machine's clock shows {Output.At(now)}, and the newest message is from {Output.At(newest)}: the clock was set back, or is wrong. Look at it (timedatectl).")
                : new Finding(true, $"This machine's clock shows {Output.At(now)}.");
        }
        catch (Exception e) when (e is StoreOpenException or SqliteException or InvalidDataException)
        {
            return null; // The store's own finding says why.
        }
    }
}
