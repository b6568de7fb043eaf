using System.Text;
using Postroom.Storage;

namespace Postroom.Redis;

/// <content>What an operator does to a message whose partition is another node's: a move of one that has ended is stored here and told; an open one is its owner's to give up.</content>
internal sealed partial class RedisStore
{
    private static readonly TimeSpan AnswerKept = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public async ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken)
    {
        string masked = _redactor.ErrorText(reason);
        if (InMemory(id) is { } open)
        {
            await DiscardHereAsync(open, masked, force);
            return;
        }

        if (await ReachAsync(() => Messages.ReadAsync(id, cancellationToken)) is not { State: MessageState.Pending } message)
        {
            _ = await DoAsync(new DiscardFailedOperation(this, id, masked), cancellationToken);
            return;
        }

        RedisQueue queue = Queue(message.Envelope.Queue);
        RedisPartition partition = queue.PartitionOf(message.Envelope);
        RespValue owner = partition.Owner is not null ? RespValue.Null : await ReadAsync(new RespCommand("GET", Keys.Own(queue.Name, partition.Number)), cancellationToken);
        if (owner.IsNull)
        {
            await DiscardThereAsync(queue, message, masked);
            return;
        }

        await AskAsync(new NodeCommand { Kind = NodeCommand.Discard, By = Owner, Queue = queue.Name, Id = id.ToString(), Reason = masked, Force = force }, id, owner.AsText(), cancellationToken);
    }

    /// <summary>Gives up a message that this node has in memory.</summary>
    private async ValueTask DiscardHereAsync(OpenMessage message, string reason, bool force)
    {
        MessageId id = message.Envelope.Id;
        RedisQueue queue = Queue(message.Envelope.Queue);
        if (!queue.Lane.Withdraw(message, force))
        {
            throw JournalMoves.CannotDiscard(id, message.State);
        }

        if (!await DoAsync(new GiveUpOperation(this, queue, message, FailureKind.Discarded, reason), CancellationToken.None))
        {
            throw Moved(id);
        }
    }

    /// <summary>Gives up a message that nobody has in memory: it waits on the server, in a partition that is this node's or nobody's.</summary>
    private async ValueTask DiscardThereAsync(RedisQueue queue, OpenMessage message, string reason)
    {
        MessageId id = message.Envelope.Id;
        message.RowIsMarked = true;
        message.RowHasTrack = true;
        if (!await DoAsync(new GiveUpOperation(this, queue, message, FailureKind.Discarded, reason), CancellationToken.None))
        {
            throw Moved(id);
        }
    }

    /// <summary>Asks the owner of a partition, and waits for its answer.</summary>
    private async ValueTask AskAsync(NodeCommand command, MessageId id, string owner, CancellationToken cancellationToken)
    {
        string answer = Keys.Answer(Guid.NewGuid().ToString("n"));
        await ReadAsync((command with { Answer = answer }).ToCommand(Keys), cancellationToken);
        await using RedisClient waiting = new(RedisEndpoint.From(_options, $"postroom:{Node}:answers"), TimeProvider.System, _log, _random);
        RespValue reply = await ReachAsync(() => waiting.CallAsync(new RespCommand("BLPOP", answer, (long)AnswerWithin.TotalSeconds), cancellationToken, AnswerWithin));
        string text = reply.IsNull ? "" : reply[1].AsText();
        if (text != "ok")
        {
            MessageState? state = text.Length > 1 && text[1] == ' ' && text[0] is >= '0' and <= '3' ? (MessageState)(text[0] - '0') : null;
            throw new JournalConflictException(
                id, state,
                state is not null ? text[2..] : text.Length > 0 ? text
                    : $"Message {id} is with node '{owner.Split(' ')[0]}', which has not answered within {AnswerWithin.TotalSeconds:0} s; it may still do what was asked. Look at the message again.");
        }
    }

    /// <summary>Does what another node asks, as far as it concerns this one.</summary>
    private async Task FollowAsync(NodeCommand command)
    {
        if (command.By == Owner)
        {
            return;
        }

        if (command is { Kind: NodeCommand.Fact, Key: { } scope })
        {
            Action<string>[] observers;
            lock (_factObservers)
            {
                observers = [.. _factObservers];
            }

            Array.ForEach(observers, observer => observer(scope));
            return;
        }

        if (command is { Kind: NodeCommand.Ask, Queue: { } asked })
        {
            await FollowAskAsync(command, asked);
            return;
        }

        if (command is not { Queue: { } name, Id: { } text } || !MessageId.TryParse(text, out MessageId id) || !_queues.TryGetValue(name, out Lazy<RedisQueue>? served))
        {
            return;
        }

        RedisQueue queue = served.Value;
        switch (command.Kind)
        {
            case NodeCommand.IsFree:
                queue.Lane.Resume(command.Key, id);
                break;
            case NodeCommand.IsOpen:
                if (InMemory(id) is null && await Messages.ReadAsync(id, _closing.Token) is { State: MessageState.Pending } message)
                {
                    message.RowIsMarked = true;
                    queue.Reopen(message);
                }

                break;
            case NodeCommand.Discard:
                await AnswerDiscardAsync(queue, id, command);
                break;
        }
    }

    private async Task AnswerDiscardAsync(RedisQueue queue, MessageId id, NodeCommand command)
    {
        OpenMessage? open = InMemory(id);
        OpenMessage? message = open ?? await Messages.ReadAsync(id, _closing.Token);
        if (message is null || queue.PartitionOf(message.Envelope).Owner is null)
        {
            return; // another node's to answer
        }

        string answer = "ok";
        try
        {
            if (open is not null)
            {
                await DiscardHereAsync(open, command.Reason ?? "", command.Force);
            }
            else if (message.State == MessageState.Pending)
            {
                await DiscardThereAsync(queue, message, command.Reason ?? "");
            }
            else
            {
                throw JournalMoves.CannotDiscard(id, message.State);
            }
        }
        catch (JournalConflictException e)
        {
            answer = e.State is { } state ? $"{(int)state} {e.Message}" : e.Message;
        }
        catch (StoreUnavailableException e)
        {
            answer = e.Message;
        }

        if (command.Answer is { } key)
        {
            await Client.CallAsync(new RespCommand("RPUSH", key, Encoding.UTF8.GetBytes(answer)), _closing.Token);
            await Client.CallAsync(new RespCommand("PEXPIRE", key, (long)AnswerKept.TotalMilliseconds), _closing.Token);
        }
    }

    private static JournalConflictException Moved(MessageId id) => new(id, null, $"Message {id} was moved by another node meanwhile. Look at it again.");
}
