using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Redis;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>A real <c>redis-server</c> on a free port of this machine with a folder of its own; it is ended by its process id.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private const int SigStop = 19;
    private const int SigCont = 18;

    private readonly TempFolder _folder = new();
    private readonly string[] _options;
    private Process? _process;

    private RedisServer(int port, string[] options)
    {
        Port = port;
        _options = options;
    }

    public int Port { get; }

    public string Folder => _folder.Path;

    public string Url => $"redis://127.0.0.1:{Port}";

    public static bool IsInstalled { get; } = File.Exists("/usr/bin/redis-server");

    /// <summary>Starts one that keeps nothing unless the options say so, and waits until it answers.</summary>
    public static async Task<RedisServer> StartAsync(params string[] options)
    {
        if (!IsInstalled)
        {
            Assert.Skip("redis-server is not installed.");
        }

        RedisServer server = new(FreePort(), options);
        await server.RestartAsync();
        return server;
    }

    /// <summary>Starts a Sentinel with a file that it may write to.</summary>
    public static Task<RedisServer> StartSentinelAsync(string config) => StartAsync(config, "--sentinel");

    /// <summary>Starts it again with the same folder and port.</summary>
    public async Task RestartAsync(bool wait = true)
    {
        bool sentinel = _options.Contains("--sentinel");
        List<string> arguments = sentinel ? [_options[0], "--sentinel", "--port", $"{Port}", "--bind", "127.0.0.1", "--dir", _folder.Path] :
        [
            "--port", $"{Port}", "--bind", "127.0.0.1", "--dir", _folder.Path, "--save", "", "--logfile", Path.Combine(_folder.Path, "redis.log"),
            "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", .. _options,
        ];
        _process = Process.Start(new ProcessStartInfo("/usr/bin/redis-server", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        while (wait && !await AnswersAsync())
        {
            Assert.False(_process.HasExited, $"redis-server ended with {(_process.HasExited ? _process.ExitCode : 0)}: {ReadLog()}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    public void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
    }

    public void Pause() => Signal(SigStop);

    public void Resume() => Signal(SigCont);

    public RedisEndpoint Endpoint(string? url = null) => new() { Address = RedisAddress.Parse(url ?? Url) };

    /// <summary>A client of it.</summary>
    public RedisClient Connect(RedisEndpoint? endpoint = null) => new(endpoint ?? Endpoint(), TimeProvider.System, NullLogger.Instance, () => 0.5);

    /// <summary>Runs one command over a connection of its own.</summary>
    public async Task<RespValue> AskAsync(string name, params RespArgument[] arguments)
    {
        await using RespConnection connection = await RespHandshake.ConnectAsync(RedisAddress.Parse(Url), Endpoint(), TimeProvider.System, TestContext.Current.CancellationToken);
        return await RespHandshake.DemandAsync(connection, new RespCommand(name, arguments), TestContext.Current.CancellationToken);
    }

    public static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false } process)
        {
            process.Kill(); // SIGKILL ends a stopped process too
            await process.WaitForExitAsync();
        }

        _process?.Dispose();
        _folder.Dispose();
    }

    private string ReadLog() => File.Exists(Path.Combine(_folder.Path, "redis.log")) ? File.ReadAllText(Path.Combine(_folder.Path, "redis.log")) : "";

    private async Task<bool> AnswersAsync()
    {
        using TcpClient client = new();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, Port);
            if (_options.Contains("--tls-port"))
            {
                return true;
            }

            await client.GetStream().WriteAsync("PING\r\n"u8.ToArray());
            byte[] answer = new byte[64];
            int length = await client.GetStream().ReadAsync(answer);
            return length > 0 && !answer.AsSpan(0, length).StartsWith("-LOADING"u8);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }

    private void Signal(int signal) => Assert.Equal(0, Kill(_process!.Id, signal));

    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int process, int signal);
}
