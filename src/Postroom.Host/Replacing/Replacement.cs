using System.Runtime.InteropServices;
using Postroom.Hosting;

namespace Postroom.Host;

/// <summary>Stops a generation whose place the next one takes, in the program of the command line and in one's own.</summary>
internal static class Replacement
{
    /// <summary>Stops the runtime in order, for <see cref="ProcessReplacer.ReplaceAsync"/>.</summary>
    /// <param name="host">Whose restart has drained.</param>
    /// <param name="generation">Its generation.</param>
    /// <param name="stopped">Completes once the program is to stop instead.</param>
    /// <param name="say">Tells whoever reads along; null for nobody.</param>
    /// <returns>The code to end with, and what is left to do; null for that when the program stops instead.</returns>
    public static async Task<(int Code, StoppedForReplacement? Stopped)> StopAsync(HostedRuntime host, Generation generation, Task stopped, Action<string>? say)
    {
        RestartOrder order = await host.Runtime.ReplacementOrdered;
        generation.EndWanted();
        generation.Systemd.Reloading();
        (RestartStatistics statistics, SafeHandle? ownership) = await host.Runtime.StopForReplacementAsync(order, keepsOwnership: order.Mode == RestartMode.Exec);
        if (host.Runtime.Failure.IsCompleted || stopped.IsCompleted)
        {
            ownership?.Dispose();
            generation.Systemd.Stopping();
            return (host.Runtime.Failure.IsCompleted ? ExitCodes.Store : ExitCodes.Done, null); // a stop that came meanwhile is what is wanted now
        }

        say?.Invoke($"  Stopped for a restart ({order.Mode.ToString().ToLowerInvariant()}); {(statistics.Abandoned > 0 ? $"{statistics.Abandoned} messages are handled again." : "nothing is in work.")}");
        host.Runtime.Restarts.Report(RestartState.Replacing);
        return (ExitCodes.Done, new StoppedForReplacement(order, statistics, ownership));
    }
}
