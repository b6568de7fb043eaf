using System.Text;
using Postroom.Storage;

namespace Postroom.Redis;

/// <content>What nodes ask of the one that delivers for a communicator: the owner of the first partition of its queue (GW-8, GW-12).</content>
internal sealed partial class RedisStore
{
    private const int MostAtATime = 64;

    private static readonly TimeSpan SignalLife = TimeSpan.FromSeconds(8);

    private readonly SemaphoreSlim _answering = new(MostAtATime, MostAtATime);
    private Func<GatewayAsk, CancellationToken, ValueTask<string?>>? _gateway;

    /// <inheritdoc/>
    public void AnswerAsGateway(Func<GatewayAsk, CancellationToken, ValueTask<string?>> answer) => Volatile.Write(ref _gateway, answer);

    /// <inheritdoc/>
    public async ValueTask<string?> AskGatewayAsync(GatewayAsk ask, TimeSpan? within, CancellationToken cancellationToken)
    {
        string? answer = within is null ? null : Keys.Answer(Guid.NewGuid().ToString("n"));
        NodeCommand command = new()
        {
            Kind = NodeCommand.Ask,
            By = Owner,
            Queue = OutboundQueue.Of(ask.Communicator),
            Key = ask.Kind,
            Reason = ask.Content,
            Until = (Now + (within ?? SignalLife)).ToUnixTimeMilliseconds(),
            Answer = answer,
        };
        await ReadAsync(command.ToCommand(Keys), cancellationToken);
        if (answer is null)
        {
            return null;
        }

        await using RedisClient waiting = new(RedisEndpoint.From(_options, $"postroom:{Node}:answers"), TimeProvider.System, _log, _random);
        RespValue reply = await ReachAsync(() => waiting.CallAsync(new RespCommand("BLPOP", answer, Math.Max(1, (long)Math.Ceiling(within!.Value.TotalSeconds))), cancellationToken, within!.Value));
        return reply.IsNull ? null : reply[1].AsText();
    }

    /// <summary>Answers somebody who waits at a list; nothing when this node delivers for nobody.</summary>
    public async Task AnswerAsync(GatewayAsk ask, string? list, DateTimeOffset until)
    {
        if (Volatile.Read(ref _gateway) is not { } gateway || until <= Now || !await _answering.WaitAsync(TimeSpan.Zero))
        {
            return;
        }

        try
        {
            using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
            late.CancelAfter(until - Now);
            string? answer = await gateway(ask, late.Token);

            // Whoever asked has gone when it is too late: a late answer is dropped.
            if (answer is not null && list is not null && until > Now)
            {
                await Client.CallAsync(new RespCommand("RPUSH", list, Encoding.UTF8.GetBytes(answer)), _closing.Token);
                await Client.CallAsync(new RespCommand("PEXPIRE", list, (long)AnswerKept.TotalMilliseconds), _closing.Token);
            }
        }
        catch (Exception e)
        {
            Log.NotAnswered(_log, ask.Kind, ask.Communicator, e.Message);
        }
        finally
        {
            _answering.Release();
        }
    }

    private async Task FollowAskAsync(NodeCommand command, string queue)
    {
        if (OutboundQueue.CommunicatorOf(queue) is not { } communicator || !_queues.TryGetValue(queue, out Lazy<RedisQueue>? served) || served.Value.Partitions[0].Owner is null || !IsAlive)
        {
            return;
        }

        // Where two take themselves for the owner, one answers.
        DateTimeOffset until = DateTimeOffset.FromUnixTimeMilliseconds(command.Until);
        if (command.Answer is { } list)
        {
            RespValue first = await Client.CallAsync(new RespCommand("SET", $"{list}:by", Owner, "NX", "PX", (long)AnswerKept.TotalMilliseconds), _closing.Token);
            if (first.IsNull)
            {
                return;
            }
        }

        _ = AnswerAsync(new GatewayAsk(communicator, command.Key ?? "", command.Reason ?? ""), command.Answer, until);
    }
}
