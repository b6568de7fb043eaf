using System.Diagnostics.CodeAnalysis;

namespace Postroom.Chat;

/// <summary>A phone number in the forms it is written (EN-10).</summary>
internal sealed record PhoneNumber
{
    /// <summary>The fewest digits of a number.</summary>
    public const int MinDigits = 5;

    // E.164 has 15; WhatsApp's own ids of hidden numbers are somewhat longer.
    private const int MaxDigits = 20;

    private PhoneNumber(string digits) => Digits = digits;

    /// <summary>Digits only, as the Cloud API writes it.</summary>
    public string Digits { get; }

    /// <summary>As the bridge writes it.</summary>
    public string BridgeForm => $"{Digits}@c.us";

    /// <summary>As it is stored: <c>+</c> and digits.</summary>
    public string StoredForm => $"+{Digits}";

    /// <summary>Reads a number in any of its forms; blanks, hyphens, dots and brackets between digits are ignored.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out PhoneNumber? number)
    {
        number = null;
        string bare = Message.ContactOf((text ?? "").Trim());
        Span<char> digits = stackalloc char[MaxDigits];
        int count = 0;
        for (int i = 0; i < bare.Length; i++)
        {
            char letter = bare[i];
            if (char.IsAsciiDigit(letter) && count < MaxDigits)
            {
                digits[count++] = letter;
            }
            else if (letter is not (' ' or '-' or '.' or '(' or ')') && !(letter == '+' && i == 0))
            {
                return false;
            }
        }

        number = count < MinDigits ? null : new PhoneNumber(digits[..count].ToString());
        return number is not null;
    }

    /// <inheritdoc/>
    public override string ToString() => StoredForm;
}
