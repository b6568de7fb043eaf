#:project ../src/Postroom.Host
#:property PublishAot=false
using Postroom;

// A text file in letters/in is a message of the person its name begins with; what is sent to somebody appears in letters/out.
await using PostOffice office = await PostOffice.StartAsync(args, app => app
    .AddCommunicator(_ => new FolderCommunicator("folder", "letters"))
    .AddHandler<IncomingMessage>(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, (message, context, _) =>
    {
        context.Reply($"You wrote: {message.Text}");
        return new(HandlerResult.Completed);
    }, "in"));

await office.RunAsync();

sealed class FolderCommunicator(string name, string folder) : Communicator(name)
{
    private CancellationTokenSource? _receiving;
    private Task _loop = Task.CompletedTask;

    public override CommunicatorCapabilities Capabilities { get; } = new() { TextLimit = 4_000, Receiving = true, Idempotent = true };

    public override bool SupportsReceiving => true;

    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        // The key is the same on every try: a repeat writes the same file.
        string file = Path.Combine(folder, "out", $"{context.IdempotencyKey.Replace('/', '-')}.txt");
        try
        {
            await File.WriteAllTextAsync($"{file}.tmp", $"{context.Recipient?.Target}\n{message.Message}", cancellationToken);
            File.Move($"{file}.tmp", file, overwrite: true);
        }
        catch (DirectoryNotFoundException e)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), "The folder is not there.", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new DeliveryException(new DeliveryFailure.Unauthorized(), "The folder may not be written.", e);
        }

        return new DeliveryReceipt { Status = DeliveryStatus.Delivered, OutsideId = Path.GetFileName(file) };
    }

    protected override Task OnStartAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.Combine(folder, "in"));
        Directory.CreateDirectory(Path.Combine(folder, "out"));
        _receiving = new CancellationTokenSource();
        _loop = ReceiveAsync(_receiving.Token);
        return Task.CompletedTask;
    }

    protected override async Task OnStopAsync(CancellationToken cancellationToken)
    {
        await _receiving!.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _receiving.Dispose();
    }

    private async Task ReceiveAsync(CancellationToken stopping)
    {
        using PeriodicTimer look = new(TimeSpan.FromMilliseconds(200));
        while (await look.WaitForNextTickAsync(stopping))
        {
            try
            {
                foreach (string file in Directory.GetFiles(Path.Combine(folder, "in"), "*.txt").Order())
                {
                    await ReceiveAsync(file, stopping);
                }
            }
            catch (Exception e) when (e is IOException or IntakeClosedException)
            {
                // Not now: the files stay, and come again with the next look.
            }
        }
    }

    private async Task ReceiveAsync(string file, CancellationToken stopping)
    {
        // The handler returns after the commit. Killed before the file is deleted, it comes again and is known by its name.
        await IncomingHandler!(new IncomingMessage
        {
            Text = await File.ReadAllTextAsync(file, stopping),
            SenderId = Path.GetFileNameWithoutExtension(file).Split('-')[0],
            ChannelMessageId = Path.GetFileName(file),
        }, stopping);
        File.Delete(file);
    }
}
