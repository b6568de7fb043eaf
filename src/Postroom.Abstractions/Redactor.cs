using System.Buffers;
using System.Buffers.Text;
using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.RegularExpressions;

namespace Postroom;

/// <summary>
/// Masks what must not be printed: known secrets, <c>Authorization</c> and cookie headers, bot tokens, passwords in URLs and configured patterns.
/// </summary>
/// <remarks>
/// Every log line, error text, trace and stored error passes through it. One instance serves a runtime; safe for concurrent use.
/// Patterns run without backtracking, or with a limit of 100 ms; a text on which a pattern runs out of time is replaced as a whole.
/// </remarks>
public sealed class Redactor
{
    /// <summary>Error texts are kept up to this size: 4 KiB of UTF-8.</summary>
    public const int ErrorBytes = 4096;

    /// <summary>Secrets shorter than this are masked as settings but not searched for in texts, where they would mask ordinary words.</summary>
    public const int ShortestSecret = 4;

    private const int MaxSecrets = 4096;
    private static readonly TimeSpan PatternTimeout = TimeSpan.FromMilliseconds(100);

    private static readonly Rule[] BuiltIn =
    [
        // A quoted value ends with its quote, any other with its line: schemes such as Digest spread over commas.
        new(["authorization", "cookie", "token", "signature"], """((?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:token|signature)[a-z0-9-]*)([\\"']*\s*[:=]\s*)("[^"\r\n]*"|'[^'\r\n]*'|[^\r\n]+)""", "$1$2***"),
        new(["bearer"], """(bearer\s+)[a-z0-9._~+/=-]{6,}""", "$1***"),
        new(["bot"], """bot[0-9]{3,}:[a-z0-9_-]{3,}""", "bot***"),
        new([":A"], """\b[0-9]{6,}:[a-z0-9_-]{30,}""", "***"),
        new(["@"], """([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/]+@""", "$1:***@"),
        new(["pr_"], """\bpr_[a-z0-9_-]{43}""", "***"),
    ];

    private readonly Lock _lock = new();
    private ImmutableHashSet<string> _secrets = ImmutableHashSet<string>.Empty.WithComparer(StringComparer.Ordinal); // written under _lock
    private volatile Known? _known;
    private volatile Regex[]? _patterns; // null for none: most programs then never load the library

    /// <summary>Remembers a secret, with the forms it takes in URLs, JSON and Base64. Short ones (<see cref="ShortestSecret"/>) are ignored.</summary>
    /// <param name="value">The secret; null and blank are ignored.</param>
    /// <remarks>At most 4,096 forms are kept; later ones are masked as settings only.</remarks>
    public void AddSecret(string? value)
    {
        string trimmed = value?.Trim() ?? "";
        if (value is null || trimmed.Length < ShortestSecret)
        {
            return;
        }

        byte[] bytes = Encoding.UTF8.GetBytes(value);
        string[] forms =
        [
            trimmed,
            Uri.EscapeDataString(value),
            JavaScriptEncoder.Default.Encode(value),
            JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(value),
            Convert.ToBase64String(bytes),
            Base64Url.EncodeToString(bytes),
        ];
        lock (_lock)
        {
            ImmutableHashSet<string> grown = _secrets.Union(forms);
            if (grown.Count != _secrets.Count && grown.Count <= MaxSecrets)
            {
                _secrets = grown;
                _known = new Known(grown);
            }
        }
    }

    /// <summary>Replaces the configured patterns (<c>logging.redact</c>); whatever they match is masked.</summary>
    /// <param name="patterns">Regular expressions, matched without case.</param>
    /// <exception cref="ArgumentException">A pattern is no regular expression; the former patterns stay.</exception>
    public void SetPatterns(IEnumerable<string> patterns)
    {
        if (patterns.Any())
        {
            CompileAll(patterns);
        }
        else
        {
            _patterns = null;
        }
    }

    /// <summary>Masks everything that must not be printed.</summary>
    /// <param name="text">The text; null gives an empty text.</param>
    /// <returns>The same instance when there was nothing to mask.</returns>
    public string Redact(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return "";
        }

        string result = _known is { } known ? known.Mask(text) : text;
        try
        {
            foreach (Rule rule in BuiltIn)
            {
                result = rule.Apply(result);
            }

            return _patterns is { } patterns ? Mask(result, patterns) : result;
        }
        catch (RegexMatchTimeoutException)
        {
            return "*** (masked as a whole: a redaction pattern took longer than 100 ms)";
        }
    }

    /// <summary>Makes an error text fit to be stored: masked first, then cut to <see cref="ErrorBytes"/>.</summary>
    /// <param name="text">The text; null gives an empty text.</param>
    public string ErrorText(string? text) => Cut(Redact(text), ErrorBytes);

    /// <summary>Cuts a text to so many bytes of UTF-8, never inside a character.</summary>
    /// <param name="text">The text; null gives an empty text.</param>
    /// <param name="maxBytes">The limit in bytes; at least 0.</param>
    public static string Cut(string? text, int maxBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        if (text is null || text.Length <= maxBytes / 3)
        {
            return text ?? "";
        }

        int bytes = 0;
        int chars = 0;
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            // A lone surrogate counts as the replacement character it becomes on the wire.
            Rune.DecodeFromUtf16(rest, out Rune rune, out int consumed);
            bytes += rune.Utf8SequenceLength;
            if (bytes > maxBytes)
            {
                return text[..chars];
            }

            chars += consumed;
            rest = rest[consumed..];
        }

        return text;
    }

    /// <summary>Compiles a pattern as <see cref="SetPatterns"/> does, so that a validator can refuse it early.</summary>
    /// <param name="pattern">A regular expression.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    internal static Regex Compile(string pattern)
    {
        const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.IgnoreCase;
        try
        {
            return new Regex(pattern, Options | RegexOptions.NonBacktracking, PatternTimeout);
        }
        catch (NotSupportedException)
        {
            // Look-arounds and back references need backtracking; the limit bounds them.
            return new Regex(pattern, Options, PatternTimeout);
        }
    }

    private void CompileAll(IEnumerable<string> patterns) => _patterns = [.. patterns.Select(Compile)];

    private static string Mask(string text, Regex[] patterns)
    {
        foreach (Regex pattern in patterns)
        {
            text = pattern.Replace(text, Secret.Mask);
        }

        return text;
    }

    /// <summary>A built-in rule. It is compiled when a text first holds one of the words without which it cannot match: most log lines hold none.</summary>
    private sealed class Rule(string[] words, string pattern, string replacement)
    {
        private Regex? _compiled;

        public string Apply(string text) => Array.Exists(words, word => text.Contains(word, StringComparison.OrdinalIgnoreCase)) ? Replace(text) : text;

        // Two threads may compile it both, which harms nothing.
        private string Replace(string text)
        {
            _compiled ??= new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.IgnoreCase | RegexOptions.NonBacktracking);
            return _compiled.Replace(text, replacement);
        }
    }

    /// <summary>The known secrets, longest first, so that one containing another is masked whole.</summary>
    private sealed class Known(IEnumerable<string> secrets)
    {
        private readonly string[] _byLength = [.. secrets.OrderByDescending(secret => secret.Length)];
        private readonly SearchValues<string> _any = SearchValues.Create([.. secrets], StringComparison.Ordinal);

        public string Mask(string text)
        {
            int at = text.AsSpan().IndexOfAny(_any);
            if (at < 0)
            {
                return text;
            }

            var result = new StringBuilder(text.Length);
            ReadOnlySpan<char> rest = text;
            while (at >= 0)
            {
                result.Append(rest[..at]).Append(Secret.Mask);
                rest = rest[(at + LengthAt(rest[at..]))..];
                at = rest.IndexOfAny(_any);
            }

            return result.Append(rest).ToString();
        }

        private int LengthAt(ReadOnlySpan<char> text)
        {
            foreach (string secret in _byLength)
            {
                if (text.StartsWith(secret, StringComparison.Ordinal))
                {
                    return secret.Length;
                }
            }

            return 1;
        }
    }
}
