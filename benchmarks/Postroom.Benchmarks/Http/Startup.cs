using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Postroom.Benchmarks.Harness;
using Postroom.Host;

namespace Postroom.Benchmarks.Http;

/// <summary>How long a new process takes until it answers its first request with 200.</summary>
internal static class Startup
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>The program on an empty store, until <c>/health/ready</c> says so.</summary>
    public static async Task<Sample> PostroomAsync(Workspace workspace)
    {
        using Folder folder = workspace.NewFolder();
        int port = FreePort();
        List<string> words = ["run"];
        foreach (string setting in WebhookHost.Settings(folder.Path, Url(port)))
        {
            words.AddRange(["--set", setting]);
        }

        return await MeasureAsync(() => ChildProcess.StartProgram(typeof(HostedRuntime).Assembly.Location, [.. words]), port, "/health/ready");
    }

    /// <summary>A process with Kestrel and one endpoint.</summary>
    public static Task<Sample> BareAsync()
    {
        int port = FreePort();
        return MeasureAsync(() => ChildProcess.Start(BareServer.Command, Url(port)), port, "/");
    }

    private static async Task<Sample> MeasureAsync(Func<Process> start, int port, string path)
    {
        byte[] request = System.Text.Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        long started = Stopwatch.GetTimestamp();
        using Process process = start();
        try
        {
            process.OutputDataReceived += static (_, _) => { };
            process.BeginOutputReadLine();
            while (!await AnswersAsync(port, request))
            {
                if (process.HasExited || Stopwatch.GetElapsedTime(started) > Limit)
                {
                    throw new InvalidOperationException("The process did not become ready.");
                }

                await Task.Delay(1);
            }

            return new Sample([new(Metric.Milliseconds, Stopwatch.GetElapsedTime(started).TotalMilliseconds)]);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    private static async Task<bool> AnswersAsync(int port, byte[] request)
    {
        try
        {
            using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, port);
            await socket.SendAsync(request);
            byte[] answer = new byte[12];
            int read = 0;
            while (read < answer.Length && await socket.ReceiveAsync(answer.AsMemory(read)) is > 0 and var more)
            {
                read += more;
            }

            return answer.AsSpan().SequenceEqual("HTTP/1.1 200"u8);
        }
        catch (SocketException)
        {
            return false; // not listening yet
        }
    }

    private static int FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static string Url(int port) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");
}
