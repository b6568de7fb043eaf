namespace Postroom.Mail;

/// <summary>Collects what is wrong with a mail; bounded, each note once.</summary>
internal sealed class Problems
{
    private const int Max = 50;
    private readonly List<string> _notes = [];
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>The notes, in the order in which they were met.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Adds a note unless it is there, or there are too many.</summary>
    public void Add(string note)
    {
        if (_notes.Count < Max && _known.Add(note))
        {
            _notes.Add(_notes.Count == Max - 1 ? "and more" : note);
        }
    }
}
