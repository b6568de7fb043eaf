#:project ../src/Postroom.Host
#:property PublishAot=false
using System.Text.Json.Serialization;
using Postroom;

await using PostOffice office = await PostOffice.StartAsync(args, app => app
    .AddQueue("orders", queue =>
    {
        queue.MaxAttempts = 8;
        queue.Backoff = new BackoffOptions { Base = TimeSpan.FromSeconds(2), Max = TimeSpan.FromMinutes(10) };
    })
    .AddWorkers("orders", pool => pool.Parallelism = 4)
    .AddHandler(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, (message, context, _) =>
    {
        string[] words = message.Text.Split(' ');
        if (words is not [var article, var count] || !int.TryParse(count, out int pieces))
        {
            context.Reply("Please write: ARTICLE PIECES");
            return new(HandlerResult.Completed);
        }

        context.Publish("orders", "order.received", new Order(article, pieces));
        return new(HandlerResult.Completed);
    }, "in")
    .AddHandler("order.received", OrderJson.Default.Order, async (order, context, cancellationToken) =>
    {
        if (!await Warehouse.IsOpenAsync(cancellationToken))
        {
            return HandlerResult.RetryAfter(TimeSpan.FromSeconds(30), "the warehouse does not answer");
        }

        if (order.Pieces > 1_000)
        {
            context.SendOnFailure(new OutgoingMessage($"Nobody can send {order.Pieces} of {order.Article}.") { To = context.From });
            return HandlerResult.Fail("too many pieces");
        }

        context.Reply($"{order.Pieces} of {order.Article} are on their way.");
        return HandlerResult.Completed;
    }, "orders"));

await office.RunAsync();

internal sealed record Order(string Article, int Pieces);

[JsonSerializable(typeof(Order))]
internal sealed partial class OrderJson : JsonSerializerContext;

internal static class Warehouse
{
    public static Task<bool> IsOpenAsync(CancellationToken cancellationToken) => Task.FromResult(!cancellationToken.IsCancellationRequested);
}
