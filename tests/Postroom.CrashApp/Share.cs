using System.Diagnostics;
using System.Text;

namespace Postroom.CrashApp;

/// <summary>One of several programs on one store: it writes what it begins and ends to a file, each line with the machine's monotonic time, and takes a few milliseconds for each message.</summary>
internal sealed class Share(CrashOptions options)
{
    public const string Queue = "work";
    private const string ParcelType = "load.parcel";

    private readonly Lock _gate = new();

    // What is written is the kernel's at once, and outlives the process.
    private readonly FileStream _record = new(options.Record, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

    public void Configure(IApplicationBuilder app)
    {
        app.AddQueue(Queue);
        app.AddHandler(ParcelType, LoadJson.Default.Parcel, HandleAsync, Queue);
        app.AddWorkers(Queue, static workers => workers.Parallelism = 8);
    }

    private async ValueTask<HandlerResult> HandleAsync(Parcel parcel, HandlerContext context, CancellationToken cancellationToken)
    {
        Write($"BEGIN {parcel.Tag}");
        await Task.Delay(3, cancellationToken);
        Write($"DONE {parcel.Tag}");
        return HandlerResult.Completed;
    }

    private void Write(string line)
    {
        lock (_gate)
        {
            _record.Write(Encoding.ASCII.GetBytes($"{line} {Stopwatch.GetTimestamp()}\n"));
        }
    }
}
