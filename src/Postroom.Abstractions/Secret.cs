using System.Security.Cryptography;
using System.Text;

namespace Postroom;

/// <summary>A secret setting. It prints as <c>***</c> wherever it is printed; only <see cref="Reveal"/> gives the value.</summary>
/// <remarks>Two secrets are equal when their values are; the comparison takes constant time for values of one length.</remarks>
public sealed class Secret : IEquatable<Secret>
{
    /// <summary>What is shown in place of a secret.</summary>
    public const string Mask = "***";

    private readonly string _value;

    /// <summary>Wraps a value.</summary>
    /// <param name="value">The secret; may be empty.</param>
    public Secret(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        _value = value;
    }

    /// <summary>Whether the value is empty, which most settings take as not set.</summary>
    public bool IsEmpty => _value.Length == 0;

    /// <summary>The value, for the one call that needs it. Do not keep, log or compare it.</summary>
    public string Reveal() => _value;

    /// <summary>The values that are in force: one, or during a rotation several, separated by blanks. Empty for an empty secret.</summary>
    public string[] RevealAll() => _value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Compares in constant time.</summary>
    /// <param name="other">The other secret; null is never equal.</param>
    public bool Equals(Secret? other) =>
        other is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(_value), Encoding.UTF8.GetBytes(other._value));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Secret);

    /// <inheritdoc/>
    public override int GetHashCode() => _value.GetHashCode(StringComparison.Ordinal);

    /// <summary>Always <c>***</c>.</summary>
    public override string ToString() => Mask;
}
