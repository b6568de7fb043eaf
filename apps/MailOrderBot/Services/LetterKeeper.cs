using System.Globalization;
using MailOrderBot.Handlers;
using Microsoft.Extensions.Logging;
using Postroom;
using Postroom.Configuration;

namespace MailOrderBot.Services;

/// <summary>Tells the operators of letters that a mail server refuses at once, as they are told of those that it gives up later: no report comes of them.</summary>
internal sealed partial class LetterKeeper(ShopDatabase shop, IRuntimeConfiguration configuration, IJournal journal, IMessageSender sender, TimeProvider clock, ILogger<LetterKeeper> log) : IRuntimeComponent
{
    private const string OutboundQueues = "out.";
    private const int MostAtStart = 100;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookBack = TimeSpan.FromDays(1); // for those that failed just before the process ended

    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;

    /// <inheritdoc/>
    string IRuntimeComponent.Name => "mail-order-letters";

    /// <inheritdoc/>
    public RuntimePhase Phase => RuntimePhase.Communicators;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _loop = WatchAsync(_stopping.Token);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(TimeSpan drain, CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task WatchAsync(CancellationToken stopping)
    {
        long after = 0; // the first move of this run has number 1
        while (true)
        {
            try
            {
                await TellOfLastRunAsync(stopping);
                await foreach (Transition move in journal.WatchAsync(static move => move is { To: MessageState.Failed, Kind: { } kind } && IsLost(kind) && move.Queue.StartsWith(OutboundQueues, StringComparison.Ordinal), after, stopping))
                {
                    after = move.Number;
                    if (await journal.GetAsync(move.MessageId, withBody: false, stopping) is { } record)
                    {
                        await TellAsync(record.Entry, stopping);
                    }
                }

                return;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                Log.NotWatched(log, e);
                await Task.Delay(Pause, clock, stopping);
            }
        }
    }

    /// <summary>Tells of what failed just before the process ended. Told once by its key, also when it is found again.</summary>
    private async Task TellOfLastRunAsync(CancellationToken stopping)
    {
        JournalPage page = await journal.QueryAsync(
            new JournalQuery { States = [MessageState.Failed], Direction = MessageDirection.Outbound, Since = clock.GetUtcNow() - LookBack, Limit = MostAtStart, WithTotal = false },
            stopping);
        foreach (JournalEntry entry in page.Items.Where(static entry => entry.FailureKind is { } kind && IsLost(kind)))
        {
            await TellAsync(entry, stopping);
        }
    }

    /// <summary>Whether a letter that failed so did not arrive: of one that is uncertain a person decides, and one that was given up was looked at.</summary>
    private static bool IsLost(FailureKind kind) => kind is not (FailureKind.Uncertain or FailureKind.Discarded);

    private async Task TellAsync(JournalEntry letter, CancellationToken stopping)
    {
        MailOrderOptions options = configuration.Current.Get<MailOrderOptions>(MailOrderOptions.Section);
        if (options.OperatorsLabel.Length == 0 || ProcessOrderMail.LetterOf(letter.Envelope.DedupKey) is not { } id)
        {
            return;
        }

        string? order = await shop.ReadAsync(transaction => transaction.OrderOf(id), stopping);
        Notice notice = Letters.NotDelivered(order, letter.Envelope.To?.Target ?? "", letter.Error ?? letter.FailureKind?.ToString() ?? "no reason is known");
        await sender.SendAsync(ProcessOrderMail.ToOperators(options, notice, string.Create(CultureInfo.InvariantCulture, $"{ProcessOrderMail.Source}:lost:{id}:{letter.Replays}")), stopping);
    }

    private static partial class Log
    {
        [LoggerMessage(8003, LogLevel.Error, "Letters that a mail server refuses cannot be looked for; it is tried again.")]
        public static partial void NotWatched(ILogger log, Exception error);
    }
}
