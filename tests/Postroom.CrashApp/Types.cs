namespace Postroom.CrashApp;

/// <summary>A program with just the handlers that the command line names, as builds of different age have them.</summary>
internal sealed class Types(CrashOptions options, LedgerClient ledger)
{
    public void Configure(IApplicationBuilder app)
    {
        app.AddQueue("work");
        foreach (string type in options.Handle)
        {
            app.AddHandler(type, LoadJson.Default.Parcel, (parcel, context, _) =>
            {
                ledger.Write($"DONE {context.Envelope.Type} {context.MessageId} {context.Attempt}");
                return new(HandlerResult.Completed);
            }, "work");
        }

        foreach (string type in options.Publish.Except(options.Handle))
        {
            app.AddPayload(type, LoadJson.Default.Parcel);
        }

        app.AddWorkers("work");
        app.AddComponent(services => new AtStart(async runtime =>
        {
            foreach (string type in options.Publish)
            {
                PublishResult stored = await runtime.Sender.PublishAsync("work", type, new Parcel(type), new PublishOptions { Conversation = type.Split('.')[1] }, CancellationToken.None);
                ledger.Write($"OK {type} {stored.Id}");
            }

            ledger.Write("READY");
        }, services));
    }
}

/// <summary>Runs once when everything else is up.</summary>
internal sealed class AtStart(Func<MessageRuntime, Task> run, IServiceProvider services) : IRuntimeComponent
{
    public string Name => "at start";

    public RuntimePhase Phase => RuntimePhase.Ready;

    public Task StartAsync(CancellationToken cancellationToken) => run((MessageRuntime)services.GetService(typeof(MessageRuntime))!);

    public Task StopAsync(TimeSpan drain, CancellationToken cancellationToken) => Task.CompletedTask;
}
