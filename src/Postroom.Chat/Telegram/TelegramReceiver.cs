using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Postroom.Chat;

/// <summary>The loop that asks for updates (TG-9, TG-10), or that registers the webhook. It ends only when it is told to.</summary>
internal sealed partial class TelegramReceiver(
    string name, TelegramCommunicatorConfig config, TelegramApi api, TelegramIntake intake, Func<IChannelFacts?> facts, TimeProvider clock, Random random, ILogger log)
{
    private const string OffsetKey = "offset";
    private const int MostUpdates = 100;
    private const int PollSeconds = 50;
    private static readonly TimeSpan PollTimeout = TimeSpan.FromSeconds(PollSeconds + 10);
    private static readonly TimeSpan ConflictDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan UnauthorizedDelay = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ShortPoll = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(5);
    private static readonly Backoff Again = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);

    // The service keeps updates for 24 hours, and may begin anywhere with its numbers after a week without any
    // (https://core.telegram.org/bots/api#getting-updates, #update): an offset that outlives both could confirm what was never seen.
    private static readonly TimeSpan OffsetAge = TimeSpan.FromDays(1);

    private long? _offset; // written by the loop only, as the three below
    private long _lastUpdate;
    private int _limit = MostUpdates;
    private int _failures;
    private volatile string? _problem;

    /// <summary>What keeps updates from coming in, in words; null when nothing does.</summary>
    public string? Problem => _problem;

    /// <summary>Polls until it is cancelled.</summary>
    public async Task PollAsync(CancellationToken cancellationToken)
    {
        _lastUpdate = clock.GetTimestamp();
        bool known = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            await TryAsync(async () =>
            {
                if (!known)
                {
                    _offset = await ReadOffsetAsync(cancellationToken);
                    known = true;
                }

                await PollOnceAsync(cancellationToken);
            }, cancellationToken);
        }
    }

    /// <summary>Registers the webhook, and tries again until the service has taken it.</summary>
    /// <param name="secret">What the service shall put into each request.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RegisterAsync(Secret secret, CancellationToken cancellationToken)
    {
        bool done = false;
        while (!done && !cancellationToken.IsCancellationRequested)
        {
            await TryAsync(async () =>
            {
                string url = $"{config.PublicUrl!.AbsoluteUri.TrimEnd('/')}{TelegramCommunicator.PathOf(name)}";
                using RequestBody body = RequestBody.Json(new WebhookRequest(url, secret.Reveal(), TelegramUpdate.Kinds), TelegramJson.Default.WebhookRequest);
                _ = await api.CallAsync("setWebhook", body, TelegramApi.RequestTimeout, cancellationToken);
                done = true;
            }, cancellationToken);
        }
    }

    private async Task PollOnceAsync(CancellationToken cancellationToken)
    {
        JsonElement result;
        long begun = clock.GetTimestamp();
        using (RequestBody body = RequestBody.Json(new UpdatesRequest(_offset, _limit, PollSeconds, TelegramUpdate.Kinds), TelegramJson.Default.UpdatesRequest))
        {
            result = await api.CallAsync("getUpdates", body, PollTimeout, cancellationToken);
        }

        if (result.ValueKind != JsonValueKind.Array)
        {
            throw new JsonException("The result of getUpdates is no list.");
        }

        // The next request confirms these, so it is not made before they are stored.
        if (await intake.TakeAsync([.. result.EnumerateArray()], api, cancellationToken) is { } last)
        {
            _offset = last + 1;
            _lastUpdate = clock.GetTimestamp();
            await SaveOffsetAsync(last + 1, cancellationToken);
        }
        else if (clock.GetElapsedTime(_lastUpdate) > OffsetAge)
        {
            _offset = null;
        }

        // A server or proxy that does not wait for updates must not be asked without a pause.
        if (result.GetArrayLength() == 0 && clock.GetElapsedTime(begun) < ShortPoll)
        {
            await Task.Delay(ShortPoll, clock, cancellationToken);
        }

        _limit = MostUpdates;
    }

    /// <summary>Does one step; after a failure it waits, the longer the more there were.</summary>
    private async Task TryAsync(Func<Task> step, CancellationToken cancellationToken)
    {
        try
        {
            await step();
            _failures = 0;
            _problem = null;
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // An ending, not an error.
        }
        catch (Exception e)
        {
            _failures++;
            (string text, TimeSpan delay) = await ExplainAsync(e, cancellationToken);
            if (_problem != text)
            {
                LogProblem(name, text);
            }

            _problem = text;
            await Task.Delay(delay, clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async ValueTask<(string Text, TimeSpan Delay)> ExplainAsync(Exception error, CancellationToken cancellationToken)
    {
        TimeSpan soon = Again.After(Math.Min(_failures, 10), random.NextDouble());
        switch (error)
        {
            case TelegramException { Code: 409 } conflict:
                return await ExplainConflictAsync(conflict, cancellationToken);
            case TelegramException { IsTooLong: true } when _limit > 1:
                _limit /= 2;
                return ($"The answer of Telegram is longer than {TelegramApi.MaxReply} bytes; {_limit} updates are asked for at once.", ShortestDelay);
            case TelegramException { Failure: DeliveryFailure.Unauthorized } refused:
                return ($"{refused.Message} Telegram refuses the token; tried again every {UnauthorizedDelay.TotalSeconds:0} s. Correct it in the settings.", UnauthorizedDelay);
            case TelegramException { RetryAfter: { } wait } limited:
                return (limited.Message, Bounded(wait));
            case TelegramException other:
                return (other.Message, soon);
            case IntakeClosedException closed:
                return ($"Updates are not taken now: {closed.Message}", Bounded(closed.RetryAfter));
            default:
                return ($"Updates could not be taken and are asked for again: {error.GetType().Name}: {error.Message}", soon);
        }
    }

    private async ValueTask<(string Text, TimeSpan Delay)> ExplainConflictAsync(TelegramException conflict, CancellationToken cancellationToken)
    {
        if (!conflict.Description.Contains("webhook", StringComparison.OrdinalIgnoreCase))
        {
            return ($"Another program asks for the updates of this bot with the same token, and only one may. Stop the other; tried again every {ConflictDelay.TotalSeconds:0} s.", ConflictDelay);
        }

        if (!config.TakeOver || config.Updates != TelegramUpdateMode.Polling)
        {
            return ($"A webhook is set for this bot, so its updates cannot be asked for. Delete the webhook, set updates to webhook, or allow takeOver; tried again every {ConflictDelay.TotalSeconds:0} s.", ConflictDelay);
        }

        try
        {
            using RequestBody body = RequestBody.Json(new NoParameters(), TelegramJson.Default.NoParameters);
            _ = await api.CallAsync("deleteWebhook", body, TelegramApi.RequestTimeout, cancellationToken);
            return ("A webhook was set for this bot; it is deleted (takeOver).", ShortestDelay);
        }
        catch (TelegramException e)
        {
            return ($"A webhook is set for this bot and could not be deleted; tried again every {ConflictDelay.TotalSeconds:0} s. {e.Message}", ConflictDelay);
        }
    }

    private static TimeSpan Bounded(TimeSpan wait) => wait < ShortestDelay ? ShortestDelay : wait > LongestDelay ? LongestDelay : wait;

    private async ValueTask<long?> ReadOffsetAsync(CancellationToken cancellationToken)
    {
        string? text = facts() is { } store ? await store.ReadAsync(OffsetKey, cancellationToken) : null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long offset) ? offset : null;
    }

    private async ValueTask SaveOffsetAsync(long offset, CancellationToken cancellationToken)
    {
        if (facts() is { } store)
        {
            await store.WriteAsync(OffsetKey, offset.ToString(CultureInfo.InvariantCulture), OffsetAge, cancellationToken);
        }
    }

    [LoggerMessage(6030, LogLevel.Warning, "{Communicator} does not receive: {Problem}")]
    private partial void LogProblem(string communicator, string problem);
}
