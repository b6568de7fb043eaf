using System.Globalization;
using System.Runtime.CompilerServices;

namespace Postroom.CrashApp;

/// <summary>A handler of the web chat that does what the text says, for the end-to-end tests.</summary>
internal sealed class Talk(LedgerClient? ledger)
{
    public void Configure(IApplicationBuilder app)
    {
        app.AddHandler(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, HandleAsync, "in");
        app.AddWorkers("router");
    }

    private async ValueTask<HandlerResult> HandleAsync(IncomingMessage message, HandlerContext context, CancellationToken cancellationToken)
    {
        string[] words = message.Text.Split(' ');
        ledger?.Write($"BEGIN {words[0]} {context.MessageId} {context.Attempt} {(context.Redelivered ? "again" : "first")}");
        switch (words[0])
        {
            case "three":
                for (int i = 1; i <= 3; i++)
                {
                    context.Reply($"reply {i} of attempt {context.Attempt}");
                }

                if (context.Attempt == 1)
                {
                    ledger?.Write($"STAGED {words[0]} {context.MessageId} 1");
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                }

                return HandlerResult.Completed;
            case "wait" when context.Attempt == 1:
                await Task.Delay(Timeout.Infinite, cancellationToken);
                break;
            case "hang":
                await Task.Delay(Timeout.Infinite, CancellationToken.None);
                break;
            case "slow":
                await Task.Delay(int.Parse(words[1], CultureInfo.InvariantCulture), cancellationToken);
                break;
            case "overflow":
                // The neighbours are in work by then, so that they are in flight beside it.
                await Task.Delay(200, cancellationToken);
                context.Reply(Overflow(0).ToString(CultureInfo.InvariantCulture));
                break;
        }

        ledger?.Write($"DONE {words[0]} {context.MessageId} {context.Attempt}");
        context.Reply($"done {message.Text}");
        return HandlerResult.Completed;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
    private static int Overflow(int depth) => Overflow(depth + 1) + 1;
}
