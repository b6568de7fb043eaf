using System.Text.Json.Serialization;

namespace MailOrderBot.Services;

/// <summary>How much operators should care.</summary>
internal enum NoticeLevel
{
    /// <summary>Good to know.</summary>
    Info,

    /// <summary>Somebody should look.</summary>
    Warning,

    /// <summary>Something is wrong.</summary>
    Error,
}

/// <summary>A line for the operators.</summary>
/// <param name="Level">How much they should care.</param>
/// <param name="Text">What it says.</param>
internal sealed record Notice(NoticeLevel Level, string Text);

/// <summary>A mail to the customer.</summary>
/// <param name="Id">The local part of its Message-ID: the same whenever it is staged again.</param>
/// <param name="Text">As plain text.</param>
/// <param name="Html">As HTML.</param>
internal sealed record Letter(string Id, string Text, string Html);

/// <summary>What became of a mail. Recorded with it, so that a repeat of the work answers the same.</summary>
/// <param name="Outcome">In a word: a status of an order, <c>cancel-refused</c>, <c>passed-on</c> or <c>ignored</c>.</param>
/// <param name="Letter">What the customer gets; null for nothing.</param>
/// <param name="Notices">What operators get.</param>
internal sealed record Answer(string Outcome, Letter? Letter, IReadOnlyList<Notice> Notices);

/// <summary>How answers are stored.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(Answer))]
internal sealed partial class ShopJson : JsonSerializerContext;
