using System.Globalization;

namespace Postroom.Configuration;

public sealed partial class SectionReader
{
    /// <summary>Each is tried for every request.</summary>
    private const int MostSecrets = 8;

    private delegate bool Parser<T>(string text, out T value);

    /// <summary>Reads a text.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    public string? ReadText(string name, string? fallback = null)
    {
        Describe(name, "text", fallback);
        return ReadNode(name, out string text, out SettingNode? node) ? Take(name, text, text, node) : Default(name, fallback, fallback);
    }

    /// <summary>Reads a text that must be there and not blank.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="hint">A sentence that says what to write.</param>
    /// <returns>The text; empty when it is missing, which is reported.</returns>
    public string RequireText(string name, string hint)
    {
        string? text = ReadText(name);
        DescribeRequired();
        if (string.IsNullOrWhiteSpace(text) && Find(name) is not SettingValue { IsBroken: true })
        {
            AddError(name, $"{Key(name)} is missing. {hint}");
        }

        return text ?? "";
    }

    /// <summary>Reads a secret; an empty one counts as not set. It is masked in every view and known to the redactor.</summary>
    /// <param name="name">The setting.</param>
    public Secret? ReadSecret(string name)
    {
        Describe(name, "secret", null);
        if (!ReadNode(name, out string text, out SettingNode? node) || text.Length == 0)
        {
            return Default<Secret?>(name, null, null);
        }

        _session.Secrets.Add(text);
        Record(name, text, node, isSecret: true);
        return new Secret(text);
    }

    /// <summary>Reads a secret of which several may be in force at once, separated by blanks, so that one can be changed without a gap.</summary>
    /// <param name="name">The setting.</param>
    /// <returns>All of them as one; null when none is given.</returns>
    public Secret? ReadSecrets(string name)
    {
        Secret? secret = ReadSecret(name);
        string[] values = secret?.RevealAll() ?? [];
        if (values.Length > MostSecrets)
        {
            AddError(name, $"{Key(name)} has {values.Length} secrets in force; at most {MostSecrets} are tried for every request. Remove those that nobody uses any more.");
        }

        _session.Secrets.AddRange(values);
        return values.Length == 0 ? null : secret;
    }

    /// <summary>Reads a secret that must be there.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="hint">A sentence that says what to write.</param>
    /// <returns>The secret; an empty one when it is missing, which is reported.</returns>
    public Secret RequireSecret(string name, string hint)
    {
        Secret? secret = ReadSecret(name);
        DescribeRequired();
        if (secret is null && Find(name) is not SettingValue { IsBroken: true })
        {
            AddError(name, $"{Key(name)} is missing. {hint}");
        }

        return secret ?? new Secret("");
    }

    /// <summary>Reads <c>true</c> or <c>false</c>.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    public bool ReadFlag(string name, bool fallback)
    {
        Describe(name, "true or false", fallback ? "true" : "false");
        return ReadParsed(name, fallback, bool.TryParse, flag => flag ? "true" : "false", "neither true nor false", null);
    }

    /// <summary>Reads a whole number.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="min">The smallest value.</param>
    /// <param name="max">The largest value.</param>
    public int ReadCount(string name, int fallback, int min = 0, int max = int.MaxValue) => ReadOptionalCount(name, fallback, min, max) ?? fallback;

    /// <summary>Reads a whole number that may be absent.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="min">The smallest value.</param>
    /// <param name="max">The largest value.</param>
    public int? ReadOptionalCount(string name, int? fallback = null, int min = 0, int max = int.MaxValue)
    {
        Describe(name, "number", fallback is { } given ? Number(given) : null, Bounds(min == 0 && max == int.MaxValue ? null : Number(min), max == int.MaxValue ? null : Number(max)));
        return ReadParsed(name, fallback, TryParse, number => number?.ToString(CultureInfo.InvariantCulture), "not a whole number",
            number => number < min || number > max ? Range(Number(min), max == int.MaxValue ? null : Number(max)) : null);

        static bool TryParse(string text, out int? value)
        {
            bool parsed = int.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number);
            value = number;
            return parsed;
        }

        static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Reads a number with decimals.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="min">The smallest value.</param>
    /// <param name="max">The largest value.</param>
    public double ReadNumber(string name, double fallback, double min, double max)
    {
        Describe(name, "decimal number", Number(fallback), Bounds(Number(min), Number(max)));
        return ReadParsed(name, fallback, TryParse, Number, "not a number", number => number >= min && number <= max ? null : Range(Number(min), Number(max)));

        static bool TryParse(string text, out double value) =>
            double.TryParse(text.Trim(), NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value);

        static string Number(double number) => number.ToString("0.################", CultureInfo.InvariantCulture);
    }

    /// <summary>Reads a size in bytes.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="min">The smallest value.</param>
    /// <param name="max">The largest value.</param>
    public long ReadSize(string name, long fallback, long min = 0, long max = long.MaxValue) => ReadOptionalSize(name, fallback, min, max) ?? fallback;

    /// <summary>Reads a size in bytes that may be absent.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="min">The smallest value.</param>
    /// <param name="max">The largest value.</param>
    public long? ReadOptionalSize(string name, long? fallback = null, long min = 0, long max = long.MaxValue)
    {
        Describe(name, "size", fallback is { } given ? ByteSize.Format(given) : null, Bounds(min == 0 && max == long.MaxValue ? null : ByteSize.Format(min), max == long.MaxValue ? null : ByteSize.Format(max)));
        return ReadParsed(name, fallback, TryParse, size => size is { } bytes ? ByteSize.Format(bytes) : null, $"not a size. Write {ByteSize.Forms}",
            size => size < min || size > max ? Range(ByteSize.Format(min), max == long.MaxValue ? null : ByteSize.Format(max)) : null);

        static bool TryParse(string text, out long? value)
        {
            bool parsed = ByteSize.TryParse(text, out long size);
            value = size;
            return parsed;
        }
    }

    /// <summary>Reads a duration.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="min">The shortest; null allows zero.</param>
    /// <param name="max">The longest; null has no limit.</param>
    /// <param name="allowInfinite">Whether <c>infinite</c> may be written.</param>
    public TimeSpan ReadDuration(string name, TimeSpan fallback, TimeSpan? min = null, TimeSpan? max = null, bool allowInfinite = false) =>
        ReadOptionalDuration(name, fallback, min, max, allowInfinite) ?? fallback;

    /// <summary>Reads a duration that may be absent.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="min">The shortest; null allows zero.</param>
    /// <param name="max">The longest; null has no limit.</param>
    /// <param name="allowInfinite">Whether <c>infinite</c> may be written.</param>
    public TimeSpan? ReadOptionalDuration(string name, TimeSpan? fallback = null, TimeSpan? min = null, TimeSpan? max = null, bool allowInfinite = false)
    {
        Describe(
            name, allowInfinite ? "duration or `infinite`" : "duration", fallback is { } given ? Duration.Format(given) : null,
            Bounds(min is { } shortest && shortest > TimeSpan.Zero || max is not null ? Duration.Format(min ?? TimeSpan.Zero) : null, max is { } most ? Duration.Format(most) : null));
        string forms = $"not a duration. Write {Duration.Forms}{(allowInfinite ? " or infinite" : "")}";
        return ReadParsed(name, fallback, TryParse, value => value is { } duration ? Duration.Format(duration) : null, forms,
            value => value != Timeout.InfiniteTimeSpan && (value < min || value > max)
                ? Range(Duration.Format(min ?? TimeSpan.Zero), max is { } longest ? Duration.Format(longest) : null)
                : null);

        bool TryParse(string text, out TimeSpan? value)
        {
            bool parsed = Duration.TryParse(text, allowInfinite, out TimeSpan duration);
            value = duration;
            return parsed;
        }
    }

    /// <summary>Reads a rate, which may be absent.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    public Rate? ReadRate(string name, Rate? fallback = null)
    {
        Describe(name, "rate", fallback?.ToString());
        return ReadParsed(name, fallback, TryParse, rate => rate?.ToString(), $"not a rate. Write {Rate.Forms}", null);

        static bool TryParse(string text, out Rate? value)
        {
            bool parsed = Rate.TryParse(text, out Rate rate);
            value = rate;
            return parsed;
        }
    }

    /// <summary>Reads one of a closed choice; words are compared like names, so <c>afterAck</c> is <c>after_ack</c>.</summary>
    /// <typeparam name="T">An enum whose names are the words.</typeparam>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    public T ReadChoice<T>(string name, T fallback)
        where T : struct, Enum => ReadOptionalChoice<T>(name, fallback) ?? fallback;

    /// <summary>Reads one of a closed choice that may be absent.</summary>
    /// <typeparam name="T">An enum whose names are the words.</typeparam>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    public T? ReadOptionalChoice<T>(string name, T? fallback = null)
        where T : struct, Enum
    {
        // By names and places: generic code of the framework would be compiled for each enum, which a start feels.
        Type choice = typeof(T);
        string[] names = Enum.GetNames(choice);
        int chosen = ReadPlace(name, fallback is { } given ? Array.IndexOf(names, given.ToString()) : -1, Array.ConvertAll(names, Word));
        return chosen < 0 ? null : (T)Enum.GetValues(choice).GetValue(chosen)!;
    }

    /// <summary>Reads one of a few words.</summary>
    /// <typeparam name="T">What a word means.</typeparam>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="words">The words and their meaning.</param>
    public T ReadWord<T>(string name, T fallback, IReadOnlyList<(string Word, T Value)> words)
    {
        string[] texts = new string[words.Count];
        int given = -1;
        for (int i = 0; i < texts.Length; i++)
        {
            texts[i] = words[i].Word;
            given = given < 0 && Equals(words[i].Value, fallback) ? i : given;
        }

        int chosen = ReadPlace(name, given, texts);
        return chosen < 0 ? fallback : words[chosen].Value;
    }

    /// <summary>Reads one of a few words as its place among them; negative for none.</summary>
    private int ReadPlace(string name, int fallback, string[] words)
    {
        Describe(name, "word", fallback < 0 ? null : words[fallback], string.Join(", ", words));
        return ReadParsed(name, fallback, TryParse, place => place < 0 ? null : words[place], $"none of {string.Join(", ", words)}", null);

        bool TryParse(string text, out int place)
        {
            place = Array.FindIndex(words, word => SettingKey.Comparer.Equals(word, text.Trim()));
            return place >= 0;
        }
    }

    /// <summary>Reads a text of a form of its own, such as an order rule.</summary>
    /// <typeparam name="T">What the text becomes.</typeparam>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="read">Gives the value, or null when the text has another form.</param>
    /// <param name="forms">What an error says the text should be, such as <c>none, conversation or header:{name}</c>.</param>
    public T ReadForm<T>(string name, T fallback, Func<string, T?> read, string forms)
        where T : struct
    {
        Describe(name, "word", fallback.ToString(), forms);
        return ReadParsed(name, fallback, TryParse, value => value.ToString(), $"none of {forms}", null);

        bool TryParse(string text, out T value)
        {
            T? result = read(text.Trim());
            value = result ?? fallback;
            return result is not null;
        }
    }

    /// <summary>Reads a list of texts; one text alone is a list of one.</summary>
    /// <param name="name">The setting.</param>
    /// <param name="fallback">The default; null is an empty list.</param>
    public IReadOnlyList<string> ReadTexts(string name, IReadOnlyList<string>? fallback = null)
    {
        Describe(name, "list of texts", fallback is { Count: > 0 } given ? $"[{string.Join(", ", given)}]" : null);
        if (Items(name, oneAlone: true) is not { } items)
        {
            return Default(name, fallback ?? [], $"[{string.Join(", ", fallback ?? [])}]");
        }

        var result = new List<string>(items.Count);
        foreach (SettingNode item in items)
        {
            if (item is SettingValue { IsBroken: true })
            {
                continue;
            }

            if ((item as SettingValue)?.Text is { } text)
            {
                result.Add(text);
            }
            else
            {
                AddError(name, $"{Key(name)} has {(item is SettingValue ? "an empty item" : item.Kind)}; its items must be texts.");
            }
        }

        _session.Readings.Add(new SettingReading(Key(name), $"[{string.Join(", ", result)}]", OriginOf(name), items.Any(item => item is SettingValue { IsSecret: true })));
        return result;
    }

    private static string Word(string name) => string.Concat(name[..1].ToLowerInvariant(), name.AsSpan(1));

    private static string Range(string min, string? max) => $"it must be {Bounds(min, max)}.";

    private static string? Bounds(string? min, string? max) => min is null ? null : max is null ? $"at least {min}" : $"{min} to {max}";

    /// <summary>Says what is read, to whoever asks for the settings there are.</summary>
    private void Describe(string name, string type, string? fallback, string? range = null) =>
        _session.Descriptions?.Add(new SettingDescription(Key(name), type, string.IsNullOrEmpty(fallback) ? null : fallback, range));

    /// <summary>The setting described last must be there.</summary>
    private void DescribeRequired()
    {
        if (_session.Descriptions is [.., var last] all)
        {
            all[^1] = last with { Default = "required" };
        }
    }

    private T ReadParsed<T>(string name, T fallback, Parser<T> parse, Func<T, string?> format, string otherwise, Func<T, string?>? check)
    {
        if (!ReadNode(name, out string text, out SettingNode? node))
        {
            return Default(name, fallback, format(fallback));
        }

        string shown = node is SettingValue { IsSecret: true } ? "a secret" : $"'{Redactor.Cut(text, 80)}'";
        if (!parse(text, out T value))
        {
            AddError(name, $"{Key(name)} is {shown}, which is {otherwise}.");
            return fallback;
        }

        if (check?.Invoke(value) is { } complaint)
        {
            AddError(name, $"{Key(name)} is {shown}; {complaint}");
            return fallback;
        }

        return Take(name, value, format(value), node);
    }

    private bool ReadNode(string name, out string text, out SettingNode? node)
    {
        node = Present(name);
        text = (node as SettingValue)?.Text ?? node?.Inline ?? "";
        if (node is SettingValue or null || node.Inline is not null)
        {
            return node is not null;
        }

        AddError(name, $"{Key(name)} is {node.Kind}; it must be one value.");
        return false;
    }

    private T Take<T>(string name, T value, string? text, SettingNode? node)
    {
        Record(name, text, node);
        return value;
    }

    private T Default<T>(string name, T value, string? text)
    {
        Record(name, text, node: null);
        return value;
    }
}
