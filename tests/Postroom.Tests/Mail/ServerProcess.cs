using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>A server that is not ours, in the foreground on a free loopback port. Ended by its id.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private readonly Process _process;

    private ServerProcess(Process process) => _process = process;

    /// <summary>A port that nobody listens on.</summary>
    public static int FreePort()
    {
        using TcpListener probe = new(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>Starts a program and waits until it listens.</summary>
    public static async Task<ServerProcess> StartAsync(string program, IEnumerable<string> arguments, int port, CancellationToken cancellationToken)
    {
        Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        ServerProcess server = new(process);
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        for (int i = 0; i < 400; i++)
        {
            Assert.False(process.HasExited, process.HasExited ? $"{program} ended at once: {await errors} {await output}" : null);
            try
            {
                using TcpClient client = new();
                await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
                return server;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), cancellationToken);
            }
        }

        await server.DisposeAsync();
        throw new TimeoutException($"{program} does not listen on port {port}.");
    }

    /// <summary>Runs a program to its end.</summary>
    public static async Task RunAsync(string program, string[] arguments, CancellationToken cancellationToken)
    {
        using Process process = Process.Start(program, arguments);
        await process.WaitForExitAsync(cancellationToken);
        Assert.Equal(0, process.ExitCode);
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
