using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>CP-3: other machines reach nothing before there is a key.</summary>
public sealed class WiderListenerTests : IDisposable
{
    private const string Local = "http://127.0.0.1:0";
    private const string Wide = "http://0.0.0.0:0";

    private readonly TempFolder _folder = new();
    private readonly RuntimeDouble _runtime = new(TimeProvider.System);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_a_key_the_start_ends_before_anything_wide_listens()
    {
        (ControlPlaneService service, ControlPlaneKeys keys) = Make(new ServerOptions { Urls = [Local, Wide] });

        await service.StartAsync(Cancel);
        await service.Opened;
        string[] before = [.. service.Addresses];
        await Assert.ThrowsAsync<ConfigurationException>(() => keys.StartAsync(Cancel));
        await service.StopAsync(TimeSpan.Zero, Cancel);

        Assert.StartsWith("http://127.0.0.1:", Assert.Single(before), StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_key_in_the_store_the_wide_address_opens_after_the_store_and_probes_are_answered_before()
    {
        (ControlPlaneService service, ControlPlaneKeys keys) = Make(new ServerOptions { Urls = [Local, Wide], AdminUrls = [Wide] });
        await keys.Keys.CreateAsync("mine", ApiRole.Admin, null, Cancel);
        WiderListener wider = new(service);

        await service.StartAsync(Cancel);
        await service.Opened;
        Assert.Equal(200, await LiveAsync(Assert.Single(service.Addresses)));
        await keys.StartAsync(Cancel);
        await wider.StartAsync(Cancel);

        Assert.True(wider.Phase > keys.Phase && keys.Phase > service.Phase);
        Assert.Equal(2, service.Addresses.Count);
        Assert.Equal(200, await LiveAsync(service.Addresses[1].Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)));
        await service.StopAsync(TimeSpan.FromSeconds(2), Cancel);
        Assert.Empty(service.Addresses);
    }

    [Fact]
    public async Task A_configured_key_opens_everything_at_once_and_nothing_twice()
    {
        ServerKey key = new() { Name = "ops", Role = ServerRole.Operator, Key = new Secret("a configured canary of mine") };
        (ControlPlaneService service, _) = Make(new ServerOptions { Urls = [Local, Wide], Keys = [key] });

        await service.StartAsync(Cancel);
        await service.Opened;
        Assert.Equal(2, service.Addresses.Count);
        await new WiderListener(service).StartAsync(Cancel);

        Assert.Equal(2, service.Addresses.Count);
        await service.StopAsync(TimeSpan.FromSeconds(2), Cancel);
    }

    public void Dispose() => _folder.Dispose();

    private (ControlPlaneService Service, ControlPlaneKeys Keys) Make(ServerOptions server)
    {
        ControlPlaneKeys keys = new(_runtime, server, _folder.Path, TimeProvider.System);
        return (new ControlPlaneService(_runtime, new ConfigurationDouble(server, new IntakeOptions()), keys, null, new HookBoard(), new ListenSockets(), new Redactor(), TimeProvider.System, NullLoggerFactory.Instance), keys);
    }

    private static async Task<int> LiveAsync(string address)
    {
        using HttpClient client = new();
        using HttpResponseMessage answer = await client.GetAsync(new Uri(new Uri(address), "health/live"), Cancel);
        return (int)answer.StatusCode;
    }
}
