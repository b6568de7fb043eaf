using System.Globalization;

namespace Postroom.Crash;

/// <summary>One broken invariant.</summary>
/// <param name="Invariant">I1 to I11.</param>
/// <param name="Text">What was found, with names and numbers.</param>
public sealed record Violation(string Invariant, string Text);

/// <summary>What a check found.</summary>
public sealed record CheckResult
{
    /// <summary>What is broken; empty when all holds. At most a hundred are told.</summary>
    public required IReadOnlyList<Violation> Violations { get; init; }

    /// <summary>Acknowledged publishes.</summary>
    public long Published { get; init; }

    /// <summary>Messages that ended well, children included.</summary>
    public long Acked { get; init; }

    /// <summary>Messages that were given up.</summary>
    public long Failed { get; init; }

    /// <summary>Messages that succeeded again after a kill.</summary>
    public long Duplicates { get; init; }

    /// <summary>The most duplicates that one kill made.</summary>
    public int MostDuplicates { get; init; }

    /// <summary>Kills in the ledger.</summary>
    public int Kills { get; init; }

    /// <summary>How many violations an invariant has.</summary>
    public int Count(string invariant) => Violations.Count(violation => violation.Invariant == invariant);
}

/// <summary>Compares a ledger with what the store file has. Pure: lines and rows in, findings out, in one pass over each.</summary>
public sealed partial class Checker
{
    private const int MostTold = 100;

    private readonly List<Violation> _violations = [];
    private readonly Dictionary<string, Track> _tracks = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Place, string Tag)> _furthest = new(StringComparer.Ordinal);
    private readonly Dictionary<int, int> _duplicatesOfRun = [];
    private readonly HashSet<int> _orderly = [];
    private readonly int _bound;
    private int _run;
    private int _kills;
    private long _published;
    private long _duplicates;

    private Checker(int bound) => _bound = bound;

    /// <summary>Checks a history.</summary>
    /// <param name="ledger">The ledger's lines in order.</param>
    /// <param name="journal">The store file's content at the end.</param>
    /// <param name="bound">How many duplicates one kill may make: workers, and settlements awaiting their commit.</param>
    /// <param name="drained">Whether every message must have ended.</param>
    public static CheckResult Check(IEnumerable<string> ledger, JournalDump journal, int bound, bool drained)
    {
        Checker checker = new(bound);
        long number = 0;
        foreach (string line in ledger)
        {
            string[] words = line.Split(' ');
            if (long.Parse(words[0], CultureInfo.InvariantCulture) != ++number)
            {
                throw new InvalidDataException($"The ledger is damaged: line {number} has number {words[0]}.");
            }

            checker.Follow(words);
        }

        checker.Compare(journal, drained);
        checker.CountDuplicates();
        return new CheckResult
        {
            Violations = checker._violations,
            Published = checker._published,
            Acked = journal.Rows.Count(row => row.State == 2),
            Failed = journal.Rows.Count(row => row.State == 3),
            Duplicates = checker._duplicates,
            MostDuplicates = checker._duplicatesOfRun.Values.DefaultIfEmpty(0).Max(),
            Kills = checker._kills,
        };
    }

    private void Follow(string[] words)
    {
        switch (words[1])
        {
            case "START":
                _run++;
                break;
            case "KILL":
                _kills++;
                break;
            case "EXIT" when words[3] == "0":
                _orderly.Add(_run);
                break;
            case "CALL":
                Called(Of(words[2]));
                break;
            case "OK":
                Stored(Of(words[2]), words[3]);
                break;
            case "BEGIN":
                Begun(Of(words[2]), words[3], int.Parse(words[4], CultureInfo.InvariantCulture));
                break;
            case "DONE":
                Done(Of(words[2]), int.Parse(words[4], CultureInfo.InvariantCulture));
                break;
            case "ACK":
                Acknowledged(Of(words[2]));
                break;
        }
    }

    private void Called(Track track)
    {
        track.KillsAtBegin = track.Called ? track.KillsAtBegin : _kills;
        track.Called = true;
    }

    private void Stored(Track track, string id)
    {
        if (!track.Called)
        {
            Broken("I2", $"{track.Tag.Text} was acknowledged without a call.");
        }

        if (track.Stored && track.Id != id)
        {
            Broken("I2", $"{track.Tag.Text} was acknowledged as {track.Id} and again as {id}.");
        }

        _published += track.Stored ? 0 : 1;
        track.Stored = true;
        Identify(track, id);
    }

    private void Begun(Track track, string id, int attempt)
    {
        Identify(track, id);
        if (track.Tag.Child is null ? !track.Called : !_tracks.TryGetValue(track.Tag.Parent, out Track? parent) || !parent.Called)
        {
            Broken("I2", $"{track.Tag.Text} began and nobody published it.");
        }

        if (track.Acked)
        {
            Broken("I3", $"{track.Tag.Text} began again (attempt {attempt}) after its acknowledgement.");
        }

        if (attempt <= track.Attempt || attempt > track.Attempt + 1 + (_kills - track.KillsAtBegin))
        {
            Broken("I9", $"{track.Tag.Text} began as attempt {attempt} after attempt {track.Attempt}, with {_kills - track.KillsAtBegin} kills in between.");
        }

        InOrder(track);
        track.Attempt = attempt;
        track.KillsAtBegin = _kills;
    }

    private void InOrder(Track track)
    {
        Tag tag = track.Tag;
        if (tag.Kind == 'd')
        {
            return; // It joins its key when it is due.
        }

        (long place, string other) = _furthest.GetValueOrDefault(tag.Lane);
        if (tag.Place < place)
        {
            Broken("I5", $"{tag.Text} began after {other} of the same key had begun.");
            return;
        }

        _furthest[tag.Lane] = (tag.Place, tag.Text);

        // A publisher goes on only after its message is acknowledged, so the one before was there to be handled.
        if (other is not null && tag.Place > place && !(_tracks[other].DoneRun > 0))
        {
            _tracks[other].Overtaken ??= tag.Text;
        }
    }

    private void Done(Track track, int attempt)
    {
        if (attempt != track.Attempt)
        {
            Broken("I9", $"{track.Tag.Text} was done as attempt {attempt} and had begun as attempt {track.Attempt}.");
        }

        if (track.DoneRun > 0)
        {
            _duplicates++;
            if (track.DoneRun == _run || _orderly.Contains(track.DoneRun))
            {
                Broken("I4", $"{track.Tag.Text} succeeded in run {track.DoneRun} and again in run {_run}, without a kill in between.");
            }
            else
            {
                _duplicatesOfRun[track.DoneRun] = _duplicatesOfRun.GetValueOrDefault(track.DoneRun) + 1;
            }
        }

        track.DoneRun = _run;
        track.DoneAttempt = attempt;
    }

    private void Acknowledged(Track track)
    {
        if (track.DoneRun != _run)
        {
            Broken("I7", $"{track.Tag.Text} was acknowledged in run {_run} and not handled in it.");
        }

        track.Acked = true;
    }

    private void CountDuplicates()
    {
        foreach ((int run, int count) in _duplicatesOfRun.Where(pair => pair.Value > _bound))
        {
            Broken("I4", $"{count} messages of run {run} succeeded again; at most {_bound} may.");
        }
    }

    private void Identify(Track track, string id)
    {
        if (track.Id is not null && track.Id != id)
        {
            Broken("I2", $"{track.Tag.Text} is there twice: as {track.Id} and as {id}.");
        }

        track.Id ??= id;
    }

    private Track Of(string text)
    {
        if (!_tracks.TryGetValue(text, out Track? track))
        {
            Tag tag = Tag.TryParse(text, out Tag? parsed) ? parsed : throw new InvalidDataException($"'{text}' is not a name of the ledger.");
            _tracks.Add(text, track = new Track(tag));
        }

        return track;
    }

    private void Broken(string invariant, string text)
    {
        if (_violations.Count < MostTold)
        {
            _violations.Add(new Violation(invariant, text));
        }
    }

    /// <summary>What the ledger tells of one message.</summary>
    private sealed class Track(Tag tag)
    {
        public Tag Tag { get; } = tag;

        public string? Id { get; set; }

        public bool Called { get; set; }

        public bool Stored { get; set; }

        public bool Acked { get; set; }

        public int Attempt { get; set; }

        public int KillsAtBegin { get; set; }

        public int DoneRun { get; set; }

        public int DoneAttempt { get; set; }

        /// <summary>What began while it had not succeeded; right only if it failed for good.</summary>
        public string? Overtaken { get; set; }
    }
}
