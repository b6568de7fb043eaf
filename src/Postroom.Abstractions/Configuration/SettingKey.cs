using System.Text;

namespace Postroom.Configuration;

/// <summary>Names and paths of settings: <c>store.path</c>, and <c>queues."out.shop-mail".lease</c> where a name has a dot.</summary>
public static class SettingKey
{
    /// <summary>Compares names without case, <c>_</c> and <c>-</c>: <c>fromAddress</c> is <c>from_address</c>.</summary>
    public static IEqualityComparer<string> Comparer { get; } = new NameComparer();

    /// <summary>The form two equal names share: lower case without <c>_</c> and <c>-</c>.</summary>
    /// <param name="name">A name in any spelling.</param>
    public static string Canonical(string name)
    {
        var result = new StringBuilder(name.Length);
        foreach (char c in name)
        {
            if (c is not ('_' or '-'))
            {
                result.Append(char.ToLowerInvariant(c));
            }
        }

        // A name of nothing but dashes is still a name.
        return result.Length == 0 ? name : result.ToString();
    }

    /// <summary>Appends a name to a path; one with a dot is quoted.</summary>
    /// <param name="path">The path so far; empty at the root.</param>
    /// <param name="name">The name.</param>
    public static string Join(string path, string name)
    {
        string part = name.Contains('.', StringComparison.Ordinal) ? $"\"{name}\"" : name;
        return path.Length == 0 ? part : $"{path}.{part}";
    }

    /// <summary>Takes a path apart.</summary>
    /// <param name="path">Names separated by dots; names in double quotes may have dots.</param>
    /// <returns>The names, or null when one is empty or a quote is left open.</returns>
    public static IReadOnlyList<string>? Split(string path)
    {
        var names = new List<string>();
        int at = 0;
        while (true)
        {
            bool quoted = at < path.Length && path[at] == '"';
            int start = quoted ? at + 1 : at;
            int end = start <= path.Length ? path.IndexOf(quoted ? '"' : '.', start) : -1;
            if (end < 0)
            {
                if (quoted)
                {
                    return null;
                }

                end = path.Length;
            }

            if (end == start)
            {
                return null;
            }

            names.Add(path[start..end]);
            at = quoted ? end + 1 : end;
            if (at == path.Length)
            {
                return names;
            }

            if (path[at++] != '.')
            {
                return null;
            }
        }
    }

    private sealed class NameComparer : IEqualityComparer<string>
    {
        public bool Equals(string? x, string? y) => ReferenceEquals(x, y)
            || (x is not null && y is not null && string.Equals(Canonical(x), Canonical(y), StringComparison.Ordinal));

        public int GetHashCode(string obj) => Canonical(obj).GetHashCode(StringComparison.Ordinal);
    }
}
