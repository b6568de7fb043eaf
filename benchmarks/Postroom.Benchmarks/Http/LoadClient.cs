using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Postroom.Benchmarks.Harness;

namespace Postroom.Benchmarks.Http;

/// <summary>Posts over keep-alive connections, each with one request at a time. Runs as a process of its own, so that its work and garbage are not the server's.</summary>
internal static class LoadClient
{
    public const string Command = "http-load";

    /// <summary>How many senders take turns.</summary>
    private const int Senders = 16_384;

    /// <summary>A channel that no communicator has, so that nothing is sent.</summary>
    public const string NoChannel = "test";

    /// <summary>Starts the process and reads what it measured.</summary>
    /// <param name="address">The server.</param>
    /// <param name="connections">Connections, each with one request at a time.</param>
    /// <param name="duration">How long it counts.</param>
    /// <param name="channel">The channel the messages claim to come from.</param>
    /// <returns>The figures, and how many requests were answered, those before the counting included.</returns>
    public static async Task<Sample> RunAsync(Uri address, int connections, TimeSpan duration, string channel = NoChannel)
    {
        double[] figures = await ChildProcess.MeasureAsync(
            4, Command, address.ToString(), connections.ToString(CultureInfo.InvariantCulture), duration.TotalSeconds.ToString(CultureInfo.InvariantCulture), channel);
        return new Sample([new(Metric.RequestsPerSecond, figures[0]), new(Metric.Median, figures[1]), new(Metric.Tail, figures[2])]) { Messages = (long)figures[3] };
    }

    /// <summary>The process itself: prints requests per second, p50, p99 and the number of all requests.</summary>
    public static async Task<int> MainAsync(string[] args)
    {
        Uri address = new(args[0]);
        int connections = int.Parse(args[1], CultureInfo.InvariantCulture);
        TimeSpan duration = TimeSpan.FromSeconds(double.Parse(args[2], CultureInfo.InvariantCulture));
        byte[][] requests = [.. Enumerable.Range(0, Senders).Select(sender => WebhookRequest.Make(address.Authority, sender, args[3]))];

        // Its own code has to be compiled before anything counts.
        List<double>[] before = await LoadAsync(address, connections, TimeSpan.FromSeconds(Math.Min(1, duration.TotalSeconds / 2)), requests);
        long started = Stopwatch.GetTimestamp();
        List<double>[] times = await LoadAsync(address, connections, duration, requests);
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        double[] all = [.. times.SelectMany(list => list)];
        Console.Write(string.Create(
            CultureInfo.InvariantCulture, $"{all.Length / seconds} {Statistics.Median(all)} {Statistics.Percentile(all, 0.99)} {all.Length + before.Sum(list => list.Count)}"));
        return 0;
    }

    private static Task<List<double>[]> LoadAsync(Uri address, int connections, TimeSpan duration, byte[][] requests)
    {
        long end = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        return Task.WhenAll(Enumerable.Range(0, connections).Select(connection => Task.Run(() => PostAsync(address, connection, connections, requests, end))));
    }

    /// <summary>Posts every so-manieth request, beginning with its own, so that no two connections have a sender at the same time.</summary>
    private static async Task<List<double>> PostAsync(Uri address, int connection, int connections, byte[][] requests, long end)
    {
        List<double> times = new(1 << 14);
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, address.Port);
        byte[] answer = new byte[16 * 1_024];
        for (int next = connection; Stopwatch.GetTimestamp() < end; next += connections)
        {
            long before = Stopwatch.GetTimestamp();
            await socket.SendAsync(requests[next % requests.Length]);
            await ReadAnswerAsync(socket, answer);
            times.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
        }

        return times;
    }

    private static async Task ReadAnswerAsync(Socket socket, byte[] buffer)
    {
        int length = 0;
        while (true)
        {
            int read = await socket.ReceiveAsync(buffer.AsMemory(length));
            if (read == 0)
            {
                throw new IOException("The server closed the connection.");
            }

            length += read;
            if (IsWhole(buffer.AsSpan(0, length)))
            {
                return;
            }
        }
    }

    private static bool IsWhole(ReadOnlySpan<byte> answer)
    {
        int head = answer.IndexOf("\r\n\r\n"u8);
        if (head < 0)
        {
            return false;
        }

        if (!answer.StartsWith("HTTP/1.1 200"u8))
        {
            throw new IOException($"The server answered: {System.Text.Encoding.UTF8.GetString(answer)}");
        }

        int field = answer[..head].IndexOf("Content-Length: "u8);
        if (field < 0)
        {
            return answer.EndsWith("\r\n0\r\n\r\n"u8); // chunked
        }

        return Utf8Parser.TryParse(answer[(field + 16)..], out int body, out _) && answer.Length >= head + 4 + body;
    }
}
