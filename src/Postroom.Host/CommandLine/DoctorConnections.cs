using System.Globalization;
using Postroom.Configuration;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>Tries whether communicators and sources of a program that does not run could work (CL-3): names, TLS and logins.</summary>
internal static class DoctorConnections
{
    /// <summary>How long each may take; all are asked at once. What works in spite of a dead address (10 s) and a slow greeting (15 s) is not called broken.</summary>
    internal static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>A finding for each communicator and source; none while a program has the store open, whose health tells of them.</summary>
    public static async Task<IReadOnlyList<Finding>> LookAsync(HostArguments arguments, string store, CancellationToken cancellationToken)
    {
        if (File.Exists(store) && OwnerLock.IsHeld(store))
        {
            return [];
        }

        await using HostedRuntime host = HostedRuntime.Create(arguments, configure: null, standalone: true, output: null);
        try
        {
            IReadOnlyList<ConnectionFinding> found = await host.Runtime.CheckConnectionsAsync(Limit, cancellationToken);
            return [.. found.Select(static one => new Finding(one.Good, $"{one.Part}: {one.Text.TrimEnd('.')}."))];
        }
        catch (ConfigurationException e)
        {
            // The secrets may be in the environment of the program alone, so this is no fault by itself.
            return [new Finding(true, string.Create(CultureInfo.InvariantCulture, $"Communicators and sources were not tried: the settings as they are read from here have {e.Problems.Count} problem{(e.Problems.Count == 1 ? "" : "s")}. 'postroom check' names them; run doctor with the environment of the program."))];
        }
    }
}
