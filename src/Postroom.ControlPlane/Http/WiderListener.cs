namespace Postroom.ControlPlane;

/// <summary>Lets other machines in once the keys of the store are known; where there is none, the start has ended before (CP-3).</summary>
internal sealed class WiderListener(ControlPlaneService service) : IRuntimeComponent
{
    public string Name => "control-plane-wider";

    // The phase behind the keys.
    public RuntimePhase Phase => RuntimePhase.Communicators;

    public Task StartAsync(CancellationToken cancellationToken) => service.OpenWiderAsync(cancellationToken);

    /// <summary>Ends what operators have begun while its rows can be written. The service closes all it opened, after the store, so that a stop answers 503 until then.</summary>
    public Task StopAsync(TimeSpan drain, CancellationToken cancellationToken) => service.EndActionsAsync(drain);
}
