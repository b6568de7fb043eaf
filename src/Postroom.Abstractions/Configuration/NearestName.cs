namespace Postroom.Configuration;

/// <summary>Finds what a misspelt name most likely meant.</summary>
internal static class NearestName
{
    private const int MaxListed = 20;

    /// <summary>The end of an error message: the nearest name, or the names there are.</summary>
    public static string Hint(string name, IReadOnlyCollection<string> known)
    {
        if (Find(name, known) is { } nearest)
        {
            return $"Did you mean '{nearest}'?";
        }

        return known.Count == 0
            ? "There are no settings here."
            : $"Known here: {string.Join(", ", known.Take(MaxListed))}{(known.Count > MaxListed ? ", …" : "")}.";
    }

    public static string? Find(string name, IEnumerable<string> known)
    {
        string wanted = SettingKey.Canonical(name);
        int limit = wanted.Length <= 4 ? 1 : wanted.Length <= 8 ? 2 : 3;
        string? best = null;
        foreach (string candidate in known)
        {
            int distance = Distance(wanted, SettingKey.Canonical(candidate));
            if (distance <= limit)
            {
                limit = distance - 1;
                best = candidate;
            }
        }

        return best;
    }

    /// <summary>Edits from one name to the other; two neighbours swapped are one edit.</summary>
    internal static int Distance(string a, string b)
    {
        if (a.Length > 64 || b.Length > 64)
        {
            return int.MaxValue; // nobody meant a name of that length
        }

        int[][] rows = [new int[b.Length + 1], new int[b.Length + 1], new int[b.Length + 1]];
        for (int j = 0; j <= b.Length; j++)
        {
            rows[0][j] = j;
        }

        for (int i = 1; i <= a.Length; i++)
        {
            int[] row = rows[i % 3];
            int[] above = rows[(i - 1) % 3];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                row[j] = Math.Min(Math.Min(row[j - 1], above[j]) + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    row[j] = Math.Min(row[j], rows[(i - 2) % 3][j - 2] + 1);
                }
            }
        }

        return rows[a.Length % 3][b.Length];
    }
}
