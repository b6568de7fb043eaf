using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Postroom.Benchmarks.Http;

/// <summary>A program that answers HTTP in a process of its own, until it is disposed.</summary>
internal sealed class RunningProgram : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    private RunningProgram(Process process, TimeSpan ready)
    {
        _process = process;
        Ready = ready;
    }

    public int Id => _process.Id;

    /// <summary>From the start of the process to its first answer with 200.</summary>
    public TimeSpan Ready { get; }

    /// <summary>Starts a program and asks until it answers with 200.</summary>
    /// <param name="assembly">The program.</param>
    /// <param name="words">Its command line, made from the address it shall listen on.</param>
    /// <param name="path">What is asked for.</param>
    public static async Task<RunningProgram> StartAsync(string assembly, Func<string, string[]> words, string path)
    {
        int port = FreePort();
        byte[] request = System.Text.Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        string[] line = words(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}"));
        long started = Stopwatch.GetTimestamp();
        Process process = ChildProcess.StartProgram(assembly, line);
        process.OutputDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        while (!await AnswersAsync(port, request))
        {
            if (process.HasExited || Stopwatch.GetElapsedTime(started) > Limit)
            {
                await EndAsync(process);
                throw new InvalidOperationException($"'{assembly}' did not become ready.");
            }

            await Task.Delay(1);
        }

        return new RunningProgram(process, Stopwatch.GetElapsedTime(started));
    }

    public async ValueTask DisposeAsync() => await EndAsync(_process);

    private static async Task EndAsync(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
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
}
