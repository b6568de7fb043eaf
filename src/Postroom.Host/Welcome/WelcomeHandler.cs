using System.Text;
using System.Text.Json;

namespace Postroom.Host;

/// <summary>Echoes text, names type and length of files, lists a contact card, fails on <c>/fail</c> until that is replayed, and ends the process on <c>/crash</c>.</summary>
internal sealed class WelcomeHandler : IMessageHandler<IncomingMessage>
{
    private const int MaxEcho = 2_000;

    private readonly IJournal _journal;
    private readonly TextWriter _terminal;
    private readonly Action _crash;

    public WelcomeHandler(IJournal journal)
        : this(journal, Console.Error, KillProcess)
    {
    }

    /// <param name="journal">Tells whether a message was replayed.</param>
    /// <param name="terminal">Where a crash is announced; written at once, because nothing is written later.</param>
    /// <param name="crash">Ends the process.</param>
    internal WelcomeHandler(IJournal journal, TextWriter terminal, Action crash)
    {
        _journal = journal;
        _terminal = terminal;
        _crash = crash;
    }

    public async ValueTask<HandlerResult> HandleAsync(IncomingMessage message, HandlerContext context, CancellationToken cancellationToken)
    {
        string text = message.Text.Trim();
        switch (text)
        {
            case "/fail" when await IsReplayedAsync(context.MessageId, cancellationToken):
                context.Reply("This message failed, was replayed, and now succeeds.");
                return HandlerResult.Completed;
            case "/fail":
                throw new PermanentException($"You asked for a failure with /fail. Look at it with 'postroom why {context.MessageId}'; 'postroom replay {context.MessageId}' lets it succeed.");
            case "/help":
                context.Reply("I echo what you write, and name files and contact cards. /fail makes a message fail until you replay it; /crash ends the process while I handle it: start it again and see.");
                return HandlerResult.Completed;
            case "/crash" when context.Attempt == 1:
                _terminal.WriteLine($"  /crash: this process kills itself now, while it handles message {context.Envelope.Id}. Start it again: the message is handled once more.");
                _crash();
                break;
            case "/crash":
                context.Reply($"The process died while attempt 1 of this message ran. This is attempt {context.Attempt}, and you get this answer once.");
                return HandlerResult.Completed;
        }

        context.Reply(Answer(message, context.Envelope.Type, text));
        return HandlerResult.Completed;
    }

    /// <summary>A crash as an operator knows it: nothing is flushed, and nothing is stored.</summary>
    private static void KillProcess()
    {
        using System.Diagnostics.Process self = System.Diagnostics.Process.GetCurrentProcess();
        self.Kill();
    }

    private async ValueTask<bool> IsReplayedAsync(MessageId id, CancellationToken cancellationToken) =>
        await _journal.GetAsync(id, withBody: false, cancellationToken) is { Entry.Replays: > 0 };

    private static string Answer(IncomingMessage message, string type, string text)
    {
        if (type == "chat.contact")
        {
            return Contacts(text);
        }

        if (message.Attachments.Count > 0)
        {
            string files = string.Join("\n", message.Attachments.Select(file => $"• {file.Name}: {file.ContentType}, {Output.Size(file.Length ?? 0)}"));
            return text.Length > 0 ? $"I got \"{Cut(text)}\" and\n{files}" : $"I got\n{files}";
        }

        return text.Length > 0
            ? $"You said: {Cut(text)}"
            : $"I got a message of type {type} without text.";
    }

    private static string Contacts(string text)
    {
        List<string> lines = [];
        try
        {
            using JsonDocument cards = JsonDocument.Parse(text);
            foreach (JsonElement card in cards.RootElement.EnumerateArray().Take(20))
            {
                string[] fields = (card.GetString() ?? "").Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
                string name = Array.Find(fields, field => field.StartsWith("FN", StringComparison.OrdinalIgnoreCase)) is { } fn ? AfterColon(fn) : "someone";
                IEnumerable<string> numbers = fields.Where(field => field.StartsWith("TEL", StringComparison.OrdinalIgnoreCase)).Select(AfterColon);
                lines.Add($"• {name}: {string.Join(", ", numbers.DefaultIfEmpty("no number"))}");
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return "I got a contact card that I cannot read.";
        }

        return lines.Count > 0 ? $"Contacts:\n{string.Join("\n", lines)}" : "I got an empty contact card.";
    }

    /// <summary>The value of a vCard line, whose commas, semicolons and backslashes are escaped (RFC 2426, section 5).</summary>
    private static string AfterColon(string field)
    {
        StringBuilder value = new();
        for (int i = field.IndexOf(':', StringComparison.Ordinal) + 1; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 1 < field.Length)
            {
                i++;
                value.Append(field[i] is 'n' or 'N' ? ' ' : field[i]);
            }
            else
            {
                value.Append(field[i]);
            }
        }

        return value.ToString();
    }

    private static string Cut(string text) => text.Length <= MaxEcho ? text : string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[MaxEcho - 1]) ? MaxEcho - 1 : MaxEcho), "…");
}
