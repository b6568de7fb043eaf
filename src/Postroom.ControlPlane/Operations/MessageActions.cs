using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>What operators do to messages: give up, confirm, compact, kill, send, inject (CP-10).</summary>
internal sealed class MessageActions(IRuntimeView runtime, IJournal journal, OperatorAction action, Func<LimitsOptions> limits, TimeProvider clock)
{
    private const int MaxBody = 4_096;
    private const int Overhead = 64 * 1024; // of a request around its body and its files
    private const string Kill = "/kill";

    /// <summary>Gives up one message (JN-5).</summary>
    public async Task DiscardAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new DiscardRequest(), OperationJson.Default.DiscardRequest) is { } request && await FindAsync(context) is { } id)
        {
            JsonObject detail = new() { ["reason"] = request.Reason, ["force"] = request.Force ? true : null };
            await action.DoAsync(context, "journal.discard", id.ToString(), token => runtime.Control.DiscardAsync(id, ReasonOf(request.Reason), request.Force, token), message: id, detail: detail);
        }
    }

    /// <summary>Resolves an uncertain send as delivered (JN-6).</summary>
    public async Task ConfirmAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new DiscardRequest(), OperationJson.Default.DiscardRequest) is { } request && await FindAsync(context) is { } id)
        {
            await action.DoAsync(context, "journal.confirm", id.ToString(), token => journal.ConfirmAsync(id, UserOf(context), token).AsTask(), message: id, detail: new JsonObject { ["reason"] = request.Reason });
        }
    }

    /// <summary>Removes finished messages whose time is past, or that are older than was said.</summary>
    public async Task CompactAsync(HttpContext context, RetentionOptions retention)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new CompactRequest(), OperationJson.Default.CompactRequest) is not { } request)
        {
            return;
        }

        JournalRetention kept = request.OlderThan is null ? new JournalRetention(retention.Acked, retention.Failed)
            : Duration.TryParse(request.OlderThan, allowInfinite: false, out TimeSpan age) && age >= TimeSpan.Zero ? new JournalRetention(age, age)
            : throw new BadRequestException("olderThan", $"olderThan '{Names.Shorten(request.OlderThan)}' is no duration, such as 7d.");
        JsonObject detail = new() { ["olderThan"] = request.OlderThan, ["vacuum"] = request.Vacuum ? true : null };
        await action.DoAsync(
            context,
            "journal.compact",
            request.OlderThan ?? "",
            async token =>
            {
                long removed = await journal.CompactAsync(kept with { Vacuum = request.Vacuum }, token);
                detail["removed"] = removed;
                return new CompactView(removed);
            },
            OperationJson.Default.CompactView,
            detail: detail);
    }

    /// <summary>Gives up the open messages of a conversation (JN-13). Its id holds slashes.</summary>
    public async Task KillAsync(HttpContext context)
    {
        string path = (context.Request.RouteValues["path"] as string ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        if (!path.EndsWith(Kill, StringComparison.Ordinal) || path.Length == Kill.Length)
        {
            await ApiAnswer.NotFoundAsync(context, "such action of a conversation; there is kill");
            return;
        }

        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new ReasonRequest(), OperationJson.Default.ReasonRequest) is not { } request)
        {
            return;
        }

        string conversation = path[..^Kill.Length];
        JsonObject detail = new() { ["reason"] = request.Reason };
        await action.DoAsync(
            context,
            "conversation.kill",
            conversation,
            async token =>
            {
                if (await journal.FirstAsync(new JournalQuery { Conversation = conversation }, token) is null)
                {
                    throw new KeyNotFoundException($"There is no conversation '{Names.Shorten(conversation)}', or it is no longer kept.");
                }

                long discarded = await runtime.Control.KillConversationAsync(conversation, ReasonOf(request.Reason), token);
                detail["discarded"] = discarded;
                return new DiscardedView(discarded);
            },
            OperationJson.Default.DiscardedView,
            detail: detail);
    }

    /// <summary>Sends a message as a handler would.</summary>
    public async Task SendAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, (limits().Body / 3 * 4) + Overhead, null, OperationJson.Default.SendRequest) is not { } request)
        {
            return;
        }

        JsonObject detail = [];
        await action.DoAsync(
            context,
            "message.send",
            request.To ?? $"label:{request.Label ?? "default"}",
            async token =>
            {
                EmitResult sent = await runtime.Control.SendAsync(request.ToMessage(), token);
                detail["ids"] = new JsonArray([.. sent.Ids.Select(id => JsonValue.Create(id.ToString()))]);
                return new SendView(sent.GroupId.ToString(), [.. sent.Ids.Select(id => id.ToString())], sent.Routed);
            },
            OperationJson.Default.SendView,
            StatusCodes.Status202Accepted,
            detail: detail);
    }

    /// <summary>Puts a message on a queue.</summary>
    public async Task InjectAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, limits().Body + Overhead, null, OperationJson.Default.InjectRequest) is not { } request)
        {
            return;
        }

        JsonObject detail = [];
        await action.DoAsync(
            context,
            "message.inject",
            $"{request.Queue} {request.Type}",
            async token =>
            {
                Envelope envelope = Compose(request, UserOf(context));
                PublishResult stored = await runtime.InjectAsync(envelope, token);
                detail["duplicate"] = stored.Duplicate ? true : null;
                return new InjectView(stored.Id.ToString(), envelope.Conversation, stored.Duplicate);
            },
            OperationJson.Default.InjectView,
            StatusCodes.Status202Accepted,
            detail: detail,
            about: static view => MessageId.Parse(view.Id, CultureInfo.InvariantCulture));
    }

    private Envelope Compose(InjectRequest request, string user)
    {
        if (!Names.IsPayloadType(request.Type))
        {
            throw new BadRequestException("type", $"type is '{Names.Shorten(request.Type ?? "")}', which is no type of a message. Write words of lower-case letters and digits joined by dots, such as order.placed.");
        }

        if (string.IsNullOrEmpty(request.Queue))
        {
            throw new BadRequestException("queue", "queue is required.");
        }

        Address? from = request.From is null ? null
            : Address.TryParse(request.From, out Address? parsed) && parsed.Kind == AddressKind.Recipient ? parsed
            : throw new BadRequestException("from", $"from is '{Names.Shorten(request.From)}', which is no sender. Write communicator:recipient, such as telegram:4711.");
        byte[] body = request.Body is { ValueKind: not JsonValueKind.Undefined } json ? Encoding.UTF8.GetBytes(json.GetRawText()) : [];
        return new Envelope(MessageId.New(), request.Queue, request.Type!, body)
        {
            Direction = MessageDirection.Inbound,
            From = from,
            Conversation = request.Conversation ?? (from is null ? null : $"{from.Scheme}/{from.Target}"),
            DedupKey = request.IdempotencyKey is null ? null : MessageTranslator.Bounded("inject", request.IdempotencyKey),
            NotBefore = request.NotBefore,
            CreatedAt = clock.GetUtcNow(),
            Headers = new Dictionary<string, string> { [HeaderNames.User] = user },
        };
    }

    private async ValueTask<MessageId?> FindAsync(HttpContext context)
    {
        if (MessageId.TryParse(context.Request.RouteValues["id"] as string, out MessageId id) && await journal.GetAsync(id, withBody: false, context.RequestAborted) is not null)
        {
            return id;
        }

        await ApiAnswer.NotFoundAsync(context, "such message");
        return null;
    }

    private static string ReasonOf(string? reason) => reason is { Length: > 0 } ? Names.Shorten(reason, 500) : "by an operator";

    private static string UserOf(HttpContext context) => context.Features.Get<ApiKey>()?.Name ?? "";
}
