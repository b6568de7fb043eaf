using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using System.Globalization;

namespace Postroom.Benchmarks.Harness;

/// <summary>Which types are allocated most: the runtime names one of about every hundred kilobytes.</summary>
internal sealed class AllocationSampler : EventListener
{
    private const EventKeywords GcKeyword = (EventKeywords)0x1;

    private readonly ConcurrentDictionary<string, long> _types = new();

    /// <summary>The types with the largest share.</summary>
    public string Table(int most = 25)
    {
        double all = Math.Max(1, _types.Values.Sum());
        return string.Join('\n', _types.OrderByDescending(type => type.Value).Take(most).Select(type => string.Create(CultureInfo.InvariantCulture, $"  {type.Value / all,6:P1}  {type.Key}")));
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
        {
            EnableEvents(eventSource, EventLevel.Verbose, GcKeyword);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventName?.StartsWith("GCAllocationTick", StringComparison.Ordinal) == true && eventData.Payload is [_, _, _, _, _, string type, ..])
        {
            _types.AddOrUpdate(type, 1, static (_, count) => count + 1);
        }
    }
}
