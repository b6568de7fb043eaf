namespace Postroom.Chat;

/// <summary>A template without parameters that Meta has approved for the account.</summary>
/// <param name="Name">Its name: 1 to 512 lower-case letters, digits and <c>_</c>.</param>
/// <param name="Language">Its language and locale code, such as <c>en_US</c>.</param>
public sealed record WhatsAppTemplate(string Name, string Language);
