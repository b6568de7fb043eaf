namespace Postroom.ControlPlane;

/// <summary>How many entries a list has, counted up to 10,000 (CP-8).</summary>
/// <param name="Number">How many.</param>
/// <param name="AtLeast">Whether there may be more.</param>
internal readonly record struct Total(long Number, bool AtLeast)
{
    /// <summary>Where counting ends.</summary>
    public const int Most = 10_000;

    /// <summary>As a list tells it: true, or nothing.</summary>
    public bool? Mark => AtLeast ? true : null;

    /// <summary>Counts what fits; it looks at so many entries at most, also where few of them fit.</summary>
    /// <param name="entries">The entries.</param>
    /// <param name="fits">Whether one is of the list.</param>
    /// <param name="looks">How many entries are looked at, at most.</param>
    public static async ValueTask<Total> CountAsync<T>(IAsyncEnumerable<T> entries, Func<T, bool> fits, int looks = Most)
    {
        (long number, int looked) = (0, 0);
        await foreach (T entry in entries)
        {
            if (looked == looks || number == Most)
            {
                return new Total(number, AtLeast: true);
            }

            looked++;
            number += fits(entry) ? 1 : 0;
        }

        return new Total(number, AtLeast: false);
    }
}
