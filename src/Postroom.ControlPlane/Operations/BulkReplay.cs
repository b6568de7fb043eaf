using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>Which failed messages are replayed: every part that is set must hold.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ReplayFilter(
    string? Queue = null, string? Type = null, string? Kind = null, string? Conversation = null, string? From = null, string? To = null, string? Q = null, DateTimeOffset? Since = null, DateTimeOffset? Until = null);

/// <summary>A replay of many.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record BulkReplayRequest(ReplayFilter? Filter = null, int? Max = null, string? Rate = null, int? StopAfterFailures = null, bool DryRun = false, long? Confirm = null);

/// <summary>What is replayed, or would be.</summary>
internal sealed record BulkReplayView(int Count, bool More, IReadOnlyList<MessageView> Messages);

/// <summary>How a replay of many stands, or ended.</summary>
/// <param name="Running">Whether it goes on.</param>
/// <param name="Count">How many it is about.</param>
/// <param name="Replayed">How many were made due again.</param>
/// <param name="FailedAgain">How many of these have failed again, as far as was seen.</param>
/// <param name="Refused">How many were no longer failed when their turn came.</param>
/// <param name="Reason">Why it ended early; null when it did not.</param>
internal sealed record BulkProgressView(bool Running, int Count, int Replayed, int FailedAgain, int Refused, string? Reason);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(BulkReplayRequest))]
[JsonSerializable(typeof(ReplayFilter))]
[JsonSerializable(typeof(BulkReplayView))]
[JsonSerializable(typeof(BulkProgressView))]
internal sealed partial class BulkJson : JsonSerializerContext;

/// <summary>Replays failed messages by filter: oldest first, not faster than said, and not further when they fail again (JN-3, JN-4). One at a time.</summary>
internal sealed partial class BulkReplay(IJournal journal, IRuntimeView runtime, OperatorAction action, AuditTrail audit, ILogger<BulkReplay> log)
{
    private const int Most = 10_000;
    private static readonly ReplayManyOptions Usual = new();

    private readonly Lock _gate = new();
    private Task _running = Task.CompletedTask;
    private BulkProgressView _progress = new(false, 0, 0, 0, 0, null);

    private CancellationToken Stopping => action.Stopping;

    /// <summary>Ends with the one that is under way.</summary>
    public Task Ended => _running;

    /// <summary>How the last one stands.</summary>
    public Task ProgressAsync(HttpContext context)
    {
        BulkProgressView now;
        lock (_gate)
        {
            now = _progress;
        }

        return ApiAnswer.WriteAsync(context, now, BulkJson.Default.BulkProgressView);
    }

    /// <summary>Begins one, or tells what it would replay.</summary>
    public async Task BeginAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, 8_192, new BulkReplayRequest(), BulkJson.Default.BulkReplayRequest) is not { } request)
        {
            return;
        }

        JournalQuery query = QueryOf(request.Filter ?? new ReplayFilter());
        int max = request.Max switch { null => Usual.Max, >= 1 and <= Most and { } given => given, _ => throw new BadRequestException("max", $"max is a number from 1 to {Most}.") };
        Rate rate = request.Rate is null ? Usual.Rate : Rate.TryParse(request.Rate, out Rate parsed) ? parsed : throw new BadRequestException("rate", $"rate '{Names.Shorten(request.Rate)}' is none, such as 10/s.");
        int stop = request.StopAfterFailures switch { null => Usual.StopAfterFailures, >= 1 and { } given => given, _ => throw new BadRequestException("stopAfterFailures", "stopAfterFailures is a number from 1 on.") };
        List<JournalEntry> found = [];
        await foreach (JournalEntry entry in journal.EachAsync(query, context.RequestAborted))
        {
            if (found.Count > max)
            {
                break;
            }

            found.Add(entry);
        }

        bool more = found.Count > max;
        JournalEntry[] chosen = [.. found.Take(max)];
        BulkReplayView view = new(chosen.Length, more, request.DryRun ? [.. chosen.Take(100).Select(MessageView.Of)] : []);
        if (request.DryRun)
        {
            await ApiAnswer.WriteAsync(context, view, BulkJson.Default.BulkReplayView);
            return;
        }

        Caller caller = Caller.Of(context);
        JsonObject detail = new()
        {
            ["filter"] = JsonSerializer.SerializeToNode(request.Filter ?? new ReplayFilter(), BulkJson.Default.ReplayFilter),
            ["count"] = chosen.Length,
            ["max"] = max,
            ["rate"] = $"{rate}",
            ["stopAfterFailures"] = stop,
            ["confirm"] = request.Confirm,
        };
        await action.DoAsync(
            context,
            "journal.replay.filter",
            string.Create(CultureInfo.InvariantCulture, $"{chosen.Length} messages {JsonSerializer.Serialize(request with { Confirm = null }, BulkJson.Default.BulkReplayRequest)}"),
            _ =>
            {
                ConfirmCountException.Check(request.Confirm, chosen.Length, "failed messages");
                lock (_gate)
                {
                    if (_progress.Running)
                    {
                        throw new RuntimeConflictException("A replay of many is under way. GET /api/v1/journal/replay tells how it stands.");
                    }

                    _progress = new BulkProgressView(chosen.Length > 0, chosen.Length, 0, 0, 0, null);
                }

                if (chosen.Length > 0)
                {
                    _running = Task.Run(() => RunAsync([.. chosen.Select(static entry => entry.Envelope.Id)], rate, stop, caller), CancellationToken.None);
                }

                return Task.FromResult(view);
            },
            BulkJson.Default.BulkReplayView,
            StatusCodes.Status202Accepted,
            detail: detail);
    }

    private async Task RunAsync(MessageId[] ids, Rate rate, int stopAfter, Caller caller)
    {
        string? reason = null;
        ReplayManyOptions options = new()
        {
            Rate = rate,
            StopAfterFailures = stopAfter,
            OnReplayed = (id, asked) => audit.WriteAsync(new AuditRow(caller, "journal.replay", id.ToString()) { Message = id, At = asked, Detail = new JsonObject { ["filter"] = true } }),
            Progress = new Board(this),
        };
        try
        {
            reason = (await runtime.Control.ReplayAsync(ids, options, Stopping)).Reason;
        }
        catch (Exception e) when (e is OperationCanceledException or StoreUnavailableException or ObjectDisposedException or RuntimeConflictException)
        {
            reason = e is StoreUnavailableException or RuntimeConflictException ? e.Message : "The runtime stops.";
        }
        finally
        {
            Count(now => now with { Running = false, Reason = reason });
            LogEnded(_progress.Replayed, ids.Length, _progress.FailedAgain, reason ?? "done");
        }
    }

    private void Count(Func<BulkProgressView, BulkProgressView> change)
    {
        lock (_gate)
        {
            _progress = change(_progress);
        }
    }

    private static JournalQuery QueryOf(ReplayFilter filter) => new()
    {
        States = [MessageState.Failed],
        Queue = filter.Queue,
        Type = filter.Type,
        Kind = filter.Kind is null ? null
            : Enum.TryParse(filter.Kind, ignoreCase: true, out FailureKind kind) && Enum.IsDefined(kind) ? kind
            : throw new BadRequestException("kind", $"kind '{Names.Shorten(filter.Kind)}' is unknown. Valid: {string.Join(", ", Enum.GetNames<FailureKind>().Select(static name => name.ToLowerInvariant()))}."),
        Conversation = filter.Conversation,
        From = filter.From,
        To = filter.To,
        Text = filter.Q,
        Since = filter.Since,
        Until = filter.Until,
        Ascending = true,
        Limit = 100,
    };

    /// <summary>Takes over how it stands, in the order of the reports.</summary>
    private sealed class Board(BulkReplay bulk) : IProgress<ReplayManyResult>
    {
        public void Report(ReplayManyResult value) => bulk.Count(now => now with { Replayed = value.Replayed, FailedAgain = value.FailedAgain, Refused = value.Refused });
    }

    [LoggerMessage(4400, LogLevel.Information, "A replay of many ended: {Replayed} of {Count} are due again, {Failed} failed again; {Reason}")]
    private partial void LogEnded(int replayed, int count, int failed, string reason);
}
