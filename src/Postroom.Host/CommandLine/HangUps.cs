using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom.Host;

/// <summary>Does what <c>restart.onSighup</c> says when SIGHUP comes (SPEC RS-2, RS-3).</summary>
internal sealed partial class HangUps(HostedRuntime host)
{
    private readonly ILogger _log = host.Loggers.CreateLogger("Postroom.Restart");

    /// <summary>Takes one; returns at once. What becomes of it is in the log.</summary>
    public void Take() => _ = Task.Run(TakeAsync);

    private async Task TakeAsync()
    {
        try
        {
            switch (host.Runtime.Configuration.Current.Get<RestartOptions>("restart").OnSighup)
            {
                case SighupAction.Ignore:
                    LogIgnored();
                    break;
                case SighupAction.Reload:
                    await ReloadAsync();
                    break;
                default:
                    await host.Runtime.View.Control.RestartAsync(new RestartRequest { Reason = "SIGHUP" }, CancellationToken.None);
                    break;
            }
        }
        catch (RestartRefusedException e)
        {
            LogRefused(string.Join(' ', e.Problems.Count > 0 ? e.Problems : [e.Message]));
        }
        catch (Exception e)
        {
            LogRefused(e.Message); // a signal has nobody to tell but the log
        }
    }

    private async Task ReloadAsync()
    {
        ReloadResult result = await host.Runtime.Configuration.ReloadAsync(previous: false, CancellationToken.None);
        LogReloaded(result.Applied ? $"{result.Changes.Count} settings changed" : $"it cannot be used, and the former one stays: {string.Join(' ', result.Problems)}");
    }

    [LoggerMessage(5010, LogLevel.Warning, "SIGHUP changes nothing: {Why}")]
    private partial void LogRefused(string why);

    [LoggerMessage(5011, LogLevel.Information, "SIGHUP is ignored (restart.onSighup).")]
    private partial void LogIgnored();

    [LoggerMessage(5012, LogLevel.Information, "SIGHUP reads the configuration again: {What}.")]
    private partial void LogReloaded(string what);
}
