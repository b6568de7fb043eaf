using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>Words of a mail that say what it is for, in English and German: they close it, cancel an order, or are those of a mail that is no order.</summary>
internal static partial class MailWords
{
    private const int LongestLine = 2_000;

    // Returns, complaints, requests for an offer, what did not come, what is not to be sent, orders taken back, and the headings of invoices.
    private const string NoOrderPattern =
        @"^returns?\b|\b(to|will|we|i|i'll|we'll|want to|would like to) return\b|\breturn (of|the|my|our|these|those|this|it|them|for|label|\d)|\breturning\b|\brefund"
        + @"|rückgabe|rücksendung|retoure|retournier|zurück(zu)?(schicken|senden|geben)|\b(schicke|schicken|sende|senden|gebe|geben)\b.*\bzurück\b|umtausch|erstattung"
        + @"|\b(a|your|you|please|for|price) (quote|quotation)\b|^quot(e|ation)\b|\brequest for (a )?(quote|quotation|offer)|\bquote (for|on|me|us)\b"
        + @"|^angebot\b|\bangebot (für|über|zu|anfordern|erhalten|machen|schicken|senden|unterbreiten)\b|\b(ein|um|kein) angebot\b|angebotsanfrage|preisanfrage"
        + @"|\b(not|never) (yet )?(received?|arrived?|delivered|got|get)\b|n['’]t (yet )?(received?|arrived?|arrive|got|get|come)\b|\bnicht (erhalten|bekommen|angekommen|geliefert|eingetroffen|gekommen)\b"
        + @"|\b(do not|don['’]?t|don t|never) (send|ship|deliver|order|bring)\b|\bno longer (want|need)\b|\b(nicht|nichts|kein|keine|keinen)( \w+){0,3} (senden|schicken|liefern|bestellen|verschicken)\b|\bnicht (mehr|länger) (senden|schicken|liefern|bestellen|brauchen|benötigen)\b|\b(senden|schicken|liefern) sie( \w+){0,2} (nicht|nichts|keine|keinen|kein)\b"
        + @"|\bscrap (that|it|this|the|my|our)\b|\bforget (that|it|about|this|the order|my order|our order)\b|\bnever ?mind\b|\b(vergessen sie|vergesst|vergiss) (das|die|den|es|meine|unsere|bitte)\b"
        + @"|^\W*(invoice|rechnung|mahnung|lieferschein|delivery note|packing list|gutschrift|credit note)\b\W*((no|nr|number|nummer|date|datum)\b|[#:]?\W*\w*\d|$)|\binvoice (no|number|date)\b|\brechnungs-?(nr|nummer|datum|betrag)\b|zahlungserinnerung"
        + @"|\bcomplain\w*\b|reklam(ation|ieren)|beschwerde|\bdamaged\b|beschädigt|\bdefekt\b";

    /// <summary>Whether a line closes a letter: names, streets and telephones follow.</summary>
    public static bool Closes(string line) => line.Length <= 80 && Closing().IsMatch(line);

    /// <summary>Whether a line comes behind the closing of a letter and belongs to it all the same.</summary>
    public static bool IsPostscript(string line) => Postscript().IsMatch(line);

    /// <summary>Whether a line speaks of a cancellation.</summary>
    public static bool SpeaksOfCancelling(string line) => line.Length <= LongestLine && Cancelling().IsMatch(line);

    /// <summary>Whether a line has words that no order has: a return, a complaint, a request for an offer, an invoice, an order taken back.</summary>
    public static bool IsNoOrder(string line) => line.Length <= LongestLine && NoOrder().IsMatch(ByReturn().Replace(line, ""));

    /// <summary>Whether a subject is that of an answer or of a forwarded mail: its words are not those of this mail.</summary>
    public static bool IsAnswer(string subject) => Answer().IsMatch(subject);

    /// <summary>Whether a subject is that of a forwarded mail.</summary>
    public static bool IsForward(string subject) => Forward().IsMatch(subject);

    [GeneratedRegex(@"^\W*(((mit |viele |beste |liebe |schöne |herzliche |freundliche |sonnige )*((freundlichen|besten|herzlichen|lieben|vielen|schönen) )*(grüßen|grüssen|gruessen|grüße|grüsse|gruesse|gruß|gruss)( (aus|von) .{1,40}| und .{1,30})?)|((with |kind |kindest |best |warm |many |my )*(regards|wishes|greetings))|((yours )?(sincerely|faithfully|truly))|yours|best|cheers|(many |kind )?thanks( (a lot|in advance|and .{1,30}))?|thank you( (very much|so much|in advance))?|(vielen |herzlichen |besten |lieben )?dank(e)?( (im voraus|schön|und .{1,30}))?|thx|mfg|vg|lg|bg|br|(mfg|vg|lg)( \p{L}[\p{L}.'-]*){1,3})(\s*[,.!]\s*(\p{L}[\p{L}.'-]*\s*){0,3}|\s*[.!–-]*)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Closing();

    [GeneratedRegex(@"^\W*p\.?\s?p?\.?s\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Postscript();

    [GeneratedRegex(@"\b(cancel\w*|storn\w+|abbestell\w*|abzubestellen|widerruf\w*|annullier\w*)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Cancelling();

    [GeneratedRegex(NoOrderPattern, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex NoOrder();

    [GeneratedRegex(@"\bby return( of (post|mail))?\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex ByReturn();

    [GeneratedRegex(@"^\s*(re|aw|antw|sv|fwd?|wg|tr|rv)\s*(\[\d+\])?\s*:", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Answer();

    [GeneratedRegex(@"^\s*(fwd?|wg|tr|rv)\s*:", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Forward();
}
