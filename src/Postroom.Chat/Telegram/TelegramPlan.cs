using System.Globalization;

namespace Postroom.Chat;

/// <summary>One request of a send: a text, or a file with its caption.</summary>
/// <param name="Text">The text or caption, as HTML when <paramref name="IsHtml"/>; empty for a file without caption.</param>
/// <param name="IsHtml">Whether it has tags.</param>
/// <param name="File">The file; null for a text.</param>
internal sealed record TelegramStep(string Text, bool IsHtml, TelegramFile? File = null)
{
    /// <summary>The text as people see it, without tags.</summary>
    public string Visible { get; init; } = Text;
}

/// <summary>A file and the method that takes its kind.</summary>
/// <param name="Method">The method, such as <c>sendPhoto</c>.</param>
/// <param name="Field">Its field of the file, such as <c>photo</c>.</param>
/// <param name="Attachment">The file.</param>
internal sealed record TelegramFile(string Method, string Field, Attachment Attachment);

/// <summary>A message as the requests that send it, in order. The same message gives the same steps, so that a retry goes on where the last try ended.</summary>
internal sealed record TelegramPlan
{
    /// <summary>The longest text, in UTF-16 units after its tags are read.</summary>
    public const int TextLimit = 4_096;

    // https://core.telegram.org/bots/api#sendphoto, #senddocument, #sending-files.
    private const int CaptionLimit = 1_024;
    private const int LinesLimit = 30;
    private const long FileLimit = 50_000_000;
    private const long PhotoLimit = 10_000_000;

    /// <summary>The steps; empty when there is nothing to send.</summary>
    public required IReadOnlyList<TelegramStep> Steps { get; init; }

    /// <summary>The keyboard of the last step; null for none.</summary>
    public InlineKeyboard? Keyboard { get; init; }

    /// <summary>What was changed to fit.</summary>
    public IReadOnlyList<string> Degraded { get; init; } = [];

    /// <summary>Plans a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="standing">The format of messages that say none.</param>
    public static TelegramPlan Of(OutgoingMessage message, TextFormat standing)
    {
        TelegramKeyboard keyboard = TelegramKeyboard.Of(message.Interactive);
        List<string> degraded = keyboard.Degraded is { } changed ? [changed] : [];
        List<TelegramFile> files = [];
        string lost = "";
        foreach (Attachment attachment in message.Attachments)
        {
            if (FileOf(attachment) is { } file)
            {
                files.Add(file);
                continue;
            }

            string line = $"[{attachment.Name}: not sent]";
            lost += $"\n{line}";
            degraded.Add(attachment.Data is { } data
                ? string.Create(CultureInfo.InvariantCulture, $"{attachment.Name} became a line: it has {data.Length} bytes, and Telegram takes 1 to {FileLimit}.")
                : $"{attachment.Name} became a line: its bytes are not here.");
        }

        FormattedText text = Read(message.Message, message.Format == TextFormat.Text ? standing : message.Format).Between(keyboard.Before, keyboard.After + lost);
        return new TelegramPlan { Steps = [.. StepsOf(text, files)], Keyboard = keyboard.Keyboard, Degraded = degraded };
    }

    private static FormattedText Read(string text, TextFormat format) => format switch
    {
        TextFormat.Html => TelegramHtml.Read(text),
        TextFormat.Markdown => TelegramMarkdown.Read(text),
        _ => new FormattedText(Characters.Clean(text), []),
    };

    private static IEnumerable<TelegramStep> StepsOf(FormattedText text, List<TelegramFile> files)
    {
        int at = 0;
        for (int i = 0; i < files.Count; i++)
        {
            // The first file carries the text, or as much of it as a caption holds.
            if (i == 0 && TextSplitter.Ranges(text.Text, CaptionLimit, LinesLimit) is [{ } caption, ..])
            {
                at = caption.End.Value;
                yield return StepOf(text, caption, files[i]);
            }
            else
            {
                yield return new TelegramStep("", IsHtml: false, files[i]);
            }
        }

        if (at > 0 && at < text.Text.Length && text.Text[at] is '\n' or ' ' or '\t')
        {
            at++; // what separates two parts is not repeated
        }

        foreach (Range part in TextSplitter.Ranges(text.Text[at..], TextLimit, LinesLimit))
        {
            yield return StepOf(text, (at + part.Start.Value)..(at + part.End.Value), null);
        }
    }

    private static TelegramStep StepOf(FormattedText text, Range part, TelegramFile? file)
    {
        return text.IsPlain ? new TelegramStep(text.Text[part], IsHtml: false, file) : new TelegramStep(text.Render(part), IsHtml: true, file) { Visible = text.Text[part] };
    }

    /// <summary>How a file is sent; null when it cannot be.</summary>
    private static TelegramFile? FileOf(Attachment attachment)
    {
        if (attachment.Data is not { Length: > 0 and <= (int)FileLimit } data)
        {
            // A file that came in through the bot is known to the service by its id.
            return attachment.Data is null && attachment.Reference is { Length: >= 10 and <= 256 } id && id.AsSpan().ContainsOnly(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-')
                ? FileOf(attachment, 0)
                : null;
        }

        return FileOf(attachment, data.Length);
    }

    private static TelegramFile FileOf(Attachment attachment, long length)
    {
        return attachment.ContentType.Split(';')[0].Trim().ToLowerInvariant() switch
        {
            "image/jpeg" or "image/png" or "image/webp" when length <= PhotoLimit => new TelegramFile("sendPhoto", "photo", attachment),
            "audio/ogg" or "audio/opus" => new TelegramFile("sendVoice", "voice", attachment),
            "audio/mpeg" or "audio/mp4" or "audio/x-m4a" => new TelegramFile("sendAudio", "audio", attachment),
            "video/mp4" => new TelegramFile("sendVideo", "video", attachment),
            _ => new TelegramFile("sendDocument", "document", attachment),
        };
    }
}
