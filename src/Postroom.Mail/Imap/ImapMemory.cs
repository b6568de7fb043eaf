namespace Postroom.Mail;

/// <summary>
/// What a source knows of mails for as long as it runs: how often one broke its reader, so that it does not hold up the others for ever (ML-5), which are longer than
/// the server says, and which nobody wants. Not safe for concurrent use.
/// </summary>
internal sealed class ImapMemory
{
    private const int Allowed = 3;
    private const int MostFailed = 1_000;

    private readonly Dictionary<uint, int> _failures = [];
    private readonly HashSet<uint> _tooLong = [];
    private readonly HashSet<uint> _unwanted = [];
    private ImapNumbering _numbering;

    /// <summary>Whether the next round asks for each mail alone, to find the one that breaks the answer for many.</summary>
    public bool OneByOne { get; set; }

    /// <summary>The mail that was read last; null for none.</summary>
    public uint? LastRead { get; private set; }

    /// <summary>Whether it was said that there is no room for further mails.</summary>
    public bool SaidFull { get; set; }

    /// <summary>Forgets everything when UIDs mean other mails than before.</summary>
    public void Begin(ImapNumbering numbering)
    {
        if (numbering != _numbering)
        {
            _numbering = numbering;
            _failures.Clear();
            _tooLong.Clear();
            _unwanted.Clear();
            LastRead = null;
        }
    }

    /// <summary>Counts a failure. True when the mail is to be passed over from now on.</summary>
    public bool Fail(uint uid, bool isTooLong)
    {
        MakeRoom();
        if (isTooLong)
        {
            _tooLong.Add(uid);
        }

        return (_failures[uid] = _failures.GetValueOrDefault(uid) + 1) >= Allowed;
    }

    /// <summary>How many failures of a mail were counted.</summary>
    public int FailuresOf(uint uid) => _failures.GetValueOrDefault(uid);

    /// <summary>Notes that a mail failed, for a reason that may be the server's: that counts once.</summary>
    public void Suspect(uint uid)
    {
        MakeRoom();
        _failures.TryAdd(uid, 1);
    }

    /// <summary>Notes that a mail was read.</summary>
    public void Succeed(uint uid)
    {
        LastRead = uid;
        _failures.Remove(uid);
    }

    /// <summary>Whether a mail turned out to be longer than one that is read as a whole.</summary>
    public bool IsTooLong(uint uid) => _tooLong.Contains(uid);

    /// <summary>Remembers a mail of a sender that is not taken.</summary>
    public void Refuse(uint uid) => _unwanted.Add(uid);

    /// <summary>Whether a mail is of a sender that is not taken.</summary>
    public bool IsUnwanted(uint uid) => _unwanted.Contains(uid);

    /// <summary>Forgets unwanted mails that are unread no more.</summary>
    /// <param name="found">The UIDs that a search for unread mails found.</param>
    public void Forget(IReadOnlyList<uint> found)
    {
        if (_unwanted.Count > 0)
        {
            _unwanted.IntersectWith(found);
        }
    }

    private void MakeRoom()
    {
        if (_failures.Count >= MostFailed)
        {
            _failures.Clear();
            _tooLong.Clear();
        }
    }
}
