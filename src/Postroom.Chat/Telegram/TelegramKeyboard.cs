using System.Globalization;
using System.Text;

namespace Postroom.Chat;

/// <summary>Choices as an inline keyboard, with the lines of text that a keyboard has no room for (TG-6, CM-16).</summary>
/// <param name="Keyboard">The keyboard; null when the choices are lines of text.</param>
/// <param name="Before">What stands above the text.</param>
/// <param name="After">What stands below it.</param>
/// <param name="Degraded">What was changed; null for nothing.</param>
internal sealed record TelegramKeyboard(InlineKeyboard? Keyboard, string Before, string After, string? Degraded)
{
    // https://core.telegram.org/bots/api#inlinekeyboardbutton: 1 to 64 bytes; the service refuses more than 100 buttons.
    private const int LongestId = 64;
    private const int MostButtons = 100;

    /// <summary>No choices.</summary>
    public static TelegramKeyboard None { get; } = new(null, "", "", null);

    /// <summary>Makes the keyboard of a message.</summary>
    /// <param name="interactive">The choices; null for none.</param>
    public static TelegramKeyboard Of(Interactive? interactive)
    {
        return interactive switch
        {
            Interactive.Buttons buttons => OfChoices(buttons.Items, "", "", ""),
            Interactive.List list => OfChoices([.. list.Sections.SelectMany(section => section.Rows)], Head(list.Header), Foot(list.Footer), Sections(list)),
            Interactive.CtaUrl link when TelegramHtml.IsLink(link.Url.OriginalString) => new TelegramKeyboard(
                new InlineKeyboard([[new InlineButton(link.Text, null, link.Url.OriginalString)]]), Head(link.Header), Foot(link.Footer), null),
            Interactive.CtaUrl link => new TelegramKeyboard(null, Head(link.Header), $"\n\n{link.Url.OriginalString}{Foot(link.Footer)}", "The link button became text."),
            _ => None,
        };
    }

    private static TelegramKeyboard OfChoices(IReadOnlyList<Interactive.Choice> choices, string before, string after, string sections)
    {
        bool fits = choices.Count is >= 1 and <= MostButtons
            && choices.All(choice => choice.Id.Length > 0 && Encoding.UTF8.GetByteCount(choice.Id) <= LongestId && !string.IsNullOrWhiteSpace(choice.Title));
        if (!fits)
        {
            IEnumerable<string> lines = choices.Select((choice, i) => string.Create(CultureInfo.InvariantCulture, $"{i + 1}. {choice.Title}{Described(choice)}"));
            return new TelegramKeyboard(null, before, choices.Count == 0 ? after : $"\n\n{string.Join('\n', lines)}{after}", "The choices became a numbered list.");
        }

        string described = sections.Length > 0 ? sections : string.Concat(choices.Where(choice => choice.Description is not null).Select(choice => $"\n{choice.Title}{Described(choice)}"));
        return new TelegramKeyboard(
            new InlineKeyboard([.. choices.Select(choice => (IReadOnlyList<InlineButton>)[new InlineButton(choice.Title, choice.Id, null)])]),
            before,
            described.Length > 0 ? $"\n{described}{after}" : after,
            null);
    }

    /// <summary>The sections of a list as text, where titles or descriptions say more than the buttons do.</summary>
    private static string Sections(Interactive.List list)
    {
        bool says = list.Sections.Count > 1 || list.Sections.Any(section => section.Title.Length > 0 || section.Rows.Any(row => row.Description is not null));
        return !says ? "" : string.Concat(list.Sections.Select(section =>
            $"{(section.Title.Length > 0 ? $"\n{section.Title}" : "")}{string.Concat(section.Rows.Select(row => $"\n• {row.Title}{Described(row)}"))}"));
    }

    private static string Described(Interactive.Choice choice) => choice.Description is { Length: > 0 } description ? $" – {description}" : "";

    private static string Head(string? header) => header is { Length: > 0 } ? $"{header}\n\n" : "";

    private static string Foot(string? footer) => footer is { Length: > 0 } ? $"\n\n{footer}" : "";
}
