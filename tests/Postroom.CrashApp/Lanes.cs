using System.Globalization;
using System.Net;
using Postroom.Sqlite;

namespace Postroom.CrashApp;

/// <summary>Sends through communicators whose service is in the harness, and ends itself around a write of a lane where it is told to.</summary>
internal sealed class Lanes(CrashOptions options, LedgerClient ledger)
{
    private const int Conversations = 8;

    public void Configure(IApplicationBuilder app)
    {
        app.AddStore("deadly", (store, retention, redactor, clock, _) =>
            DeadlyStore.Wrap(new SqliteStore(store, retention, redactor, clock), options.DieAt, options.Say ?? ""));
        app.RegisterBackend("counted", (name, _, _) => new CountedCommunicator(name, new Uri($"{options.Service}/{name}")));
        app.AddComponent(services => new AtStart(runtime =>
        {
            ledger.Write("READY");
            _ = Task.Run(() => RunAsync(runtime));
            return Task.CompletedTask;
        }, services));
    }

    private async Task RunAsync(MessageRuntime runtime)
    {
        try
        {
            await SendManyAsync(runtime);
            if (options.Say is not null || options.UntilEmpty)
            {
                await WaitUntilEmptyAsync(runtime);
            }

            if (options.Confirm)
            {
                await ConfirmAsync(runtime);
            }

            if (options.UntilEmpty)
            {
                ledger.Write("EMPTY");
            }

            string text = string.Join('\n', Enumerable.Range(1, options.LineCount).Select(line => options.LineCount == 1 ? options.Say : $"{options.Say} {line}"));
            foreach (string lane in options.Say is null ? [] : options.Lanes)
            {
                await EmitAsync(runtime, lane, text, options.To);
            }
        }
        catch (Exception e)
        {
            ledger.Write($"BROKEN {e.GetType().Name} {e.Message.ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>Sends what earlier runs have not stored yet: the message with number n exists once there are n.</summary>
    private async Task SendManyAsync(MessageRuntime runtime)
    {
        foreach (string lane in options.Count > 0 ? options.Lanes : [])
        {
            JournalPage stored = await runtime.Journal.QueryAsync(new JournalQuery { Queue = $"out.{lane}", Limit = 1 }, CancellationToken.None);
            for (long number = stored.Total; number < options.Count; number++)
            {
                await EmitAsync(runtime, lane, number.ToString("D6", CultureInfo.InvariantCulture), (number % Conversations).ToString(CultureInfo.InvariantCulture));
            }
        }
    }

    private static async Task EmitAsync(MessageRuntime runtime, string lane, string text, string recipient)
    {
        OutgoingMessage message = new(text) { To = Address.ForRecipient(lane, recipient) };
        await runtime.Dispatcher.EmitAsync(message, CancellationToken.None);
    }

    private static async Task WaitUntilEmptyAsync(MessageRuntime runtime)
    {
        JournalQuery open = new() { States = [MessageState.Pending, MessageState.Dispatched], Limit = 1 };
        while ((await runtime.Journal.QueryAsync(open, CancellationToken.None)).Items.Count > 0)
        {
            await Task.Delay(10);
        }
    }

    private static async Task ConfirmAsync(MessageRuntime runtime)
    {
        JournalQuery held = new() { States = [MessageState.Failed], Kind = FailureKind.Uncertain, Limit = 500 };
        foreach (JournalEntry entry in (await runtime.Journal.QueryAsync(held, CancellationToken.None)).Items)
        {
            await runtime.Journal.ConfirmAsync(entry.Envelope.Id, "operator", CancellationToken.None);
        }
    }

    /// <summary>Posts each message to the harness and can ask it what it took.</summary>
    private sealed class CountedCommunicator(string name, Uri address) : Communicator(name), IDeliveryProbe
    {
        private readonly HttpClient _http = new();

        public override CommunicatorCapabilities Capabilities { get; } = new() { CanBeAsked = true, Idempotent = false };

        public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, address) { Content = new StringContent(message.Message) };
            request.Headers.Add("Idempotency-Key", context.IdempotencyKey);
            request.Headers.Add("X-Recipient", context.Recipient?.Target);
            request.Headers.Add("X-Redelivered", context.Redelivered ? "true" : "false");
            context.BytesLeft = true;
            using HttpResponseMessage answer = await _http.SendAsync(request, cancellationToken);
            answer.EnsureSuccessStatusCode();
            return new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = await answer.Content.ReadAsStringAsync(cancellationToken) };
        }

        public async ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken)
        {
            using HttpResponseMessage answer = await _http.GetAsync(new Uri($"{address}/{idempotencyKey}"), cancellationToken);
            return answer.StatusCode == HttpStatusCode.NotFound
                ? new ProbeAnswer.NotSent()
                : new ProbeAnswer.Found(new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = await answer.Content.ReadAsStringAsync(cancellationToken) });
        }

        protected override Task OnStopAsync(CancellationToken cancellationToken)
        {
            _http.Dispose();
            return Task.CompletedTask;
        }
    }
}
