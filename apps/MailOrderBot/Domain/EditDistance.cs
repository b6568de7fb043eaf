namespace MailOrderBot.Domain;

/// <summary>How far two words are apart: letters to insert, remove or replace.</summary>
internal static class EditDistance
{
    private const int MostOnStack = 256;

    /// <summary>The distance of two texts; null when it is more than <paramref name="most"/>. Work is bounded by the lengths times <paramref name="most"/>.</summary>
    public static int? Within(string one, string other, int most)
    {
        if (Math.Abs(one.Length - other.Length) > most)
        {
            return null;
        }

        Span<int> row = other.Length < MostOnStack ? stackalloc int[other.Length + 1] : new int[other.Length + 1];
        for (int j = 0; j < row.Length; j++)
        {
            row[j] = j <= most ? j : most + 1;
        }

        for (int i = 1; i <= one.Length; i++)
        {
            int from = Math.Max(1, i - most);
            int to = Math.Min(other.Length, i + most);
            int diagonal = row[from - 1];
            row[from - 1] = from == 1 && i <= most ? i : most + 1;
            int least = row[from - 1];
            for (int j = from; j <= to; j++)
            {
                int above = j == i + most ? most + 1 : row[j]; // outside the band of the row before
                int cost = diagonal + (one[i - 1] == other[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(Math.Min(cost, Math.Min(above, row[j - 1]) + 1), most + 1);
                least = Math.Min(least, row[j]);
            }

            if (least > most)
            {
                return null;
            }
        }

        return row[other.Length] <= most ? row[other.Length] : null;
    }
}
