#:project ../src/Postroom.Host
#:property PublishAot=false
using System.Security.Cryptography;
using System.Text;
using Postroom;

// A text file in letters/in is a message of the person its name begins with; what is sent to somebody appears in letters/out.
// With a secret in letters.key, letters may be posted to /letters too.
await using PostOffice office = await PostOffice.StartAsync(args, app => app
    .AddCommunicator(_ => new FolderCommunicator("folder", "letters", File.Exists("letters.key") ? File.ReadAllText("letters.key") : null))
    .AddHandler<IncomingMessage>(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, (message, context, _) =>
    {
        context.Reply($"You wrote: {message.Text}");
        return new(HandlerResult.Completed);
    }, "in"));

await office.RunAsync();

sealed class FolderCommunicator(string name, string folder, string? secret) : Communicator(name), IDeliveryProbe, IWebhookReceiver
{
    private CancellationTokenSource? _receiving;
    private Task _loop = Task.CompletedTask;

    public override CommunicatorCapabilities Capabilities { get; } = new() { TextLimit = 4_000, Receiving = true, Idempotent = true, CanBeAsked = true };

    public override bool SupportsReceiving => true;

    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        // The key is the same on every try: a repeat writes the same file.
        string file = FileOf(context.IdempotencyKey);
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

    // Killed between the file and the record of it, nobody would know whether the letter is there: the folder knows.
    public ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken)
    {
        FileInfo file = new(FileOf(idempotencyKey));
        return new(!Directory.Exists(file.DirectoryName) ? new ProbeAnswer.Unknown()
            : file.Exists ? new ProbeAnswer.Found(new DeliveryReceipt { Status = DeliveryStatus.Delivered, OutsideId = file.Name, At = file.LastWriteTimeUtc })
            : new ProbeAnswer.NotSent());
    }

    public string? WebhookPath => secret is null ? null : "/letters";

    public long MaxWebhookBody => 64 * 1024;

    // A word needs no body to be proved: strangers behind the same address do not lock out who has it.
    public bool IsProved(WebhookCall request) => request.Headers.TryGetValue("X-Letters-Word", out string? word) && IsSame(Encoding.UTF8.GetBytes(word), Encoding.UTF8.GetBytes(secret!));

    // A signature is of the body: without one, the body is not even read.
    public bool MayBeProved(WebhookCall request) => IsProved(request) || request.Headers.ContainsKey("X-Letters-Signature");

    public async ValueTask<WebhookReply> ReceiveAsync(WebhookCall request, CancellationToken cancellationToken)
    {
        byte[] signature = Encoding.UTF8.GetBytes(Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret!), request.Body.Span)));
        if (!IsProved(request) && !IsSame(Encoding.UTF8.GetBytes(request.Headers.GetValueOrDefault("X-Letters-Signature", "")), signature))
        {
            return new WebhookReply(401, "{}");
        }

        await IncomingHandler!(new IncomingMessage { Text = Encoding.UTF8.GetString(request.Body.Span), SenderId = request.Query.GetValueOrDefault("from", "nobody") }, cancellationToken);
        return new WebhookReply(200, "{}");
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
    private string FileOf(string key) => Path.Combine(folder, "out", $"{key.Replace('/', '-')}.txt");

    // In constant time, whatever the lengths are.
    private static bool IsSame(byte[] one, byte[] other) => CryptographicOperations.FixedTimeEquals(SHA256.HashData(one), SHA256.HashData(other));
}
