namespace Postroom.CrashApp;

/// <summary>Fills a store with open messages, or meets a full one and says when the first message is handled.</summary>
internal sealed class Backlog(CrashOptions options, LedgerClient ledger)
{
    private const int PerWrite = 4_000;

    private int _handled;

    public void Configure(IApplicationBuilder app)
    {
        app.AddQueue("work").AddPayload("work.item", LoadJson.Default.Parcel);
        if (options.Count == 0)
        {
            app.AddHandler("work.item", LoadJson.Default.Parcel, (_, context, _) =>
            {
                if (Interlocked.Increment(ref _handled) == 1)
                {
                    ledger.Write($"BEGIN first {context.MessageId} {context.Attempt}");
                }

                return new(HandlerResult.Completed);
            }, "work");
            app.AddWorkers("work");
        }

        app.AddComponent(services => new AtStart(FillAsync, services));
    }

    private async Task FillAsync(MessageRuntime runtime)
    {
        byte[] body = """{"tag":"one of many, with a body of the size that a short chat message has when it comes through a gateway"}"""u8.ToArray();
        for (int done = 0; done < options.Count; done += PerWrite)
        {
            Envelope[] batch = [.. Enumerable.Range(done, Math.Min(PerWrite, options.Count - done)).Select(n =>
                new Envelope(MessageId.New(), "work", "work.item", body) { Conversation = $"c{n % 5_000}", OrderKey = $"c{n % 5_000}", CreatedAt = DateTimeOffset.UtcNow })];
            await runtime.Store.WriteAsync(new StoreWrite { Appends = batch }, CancellationToken.None);
        }

        ledger.Write("READY");
    }
}
