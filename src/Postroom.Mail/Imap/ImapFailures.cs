namespace Postroom.Mail;

/// <summary>Counts how often a mail broke its reader, so that it does not hold up the others for ever (ML-5). Not safe for concurrent use.</summary>
internal sealed class ImapFailures
{
    private const int Allowed = 3;
    private const int Capacity = 1_000;

    private readonly Dictionary<(uint Validity, uint Uid), int> _counts = [];

    /// <summary>Counts a failure. True when the mail is to be passed over from now on.</summary>
    public bool Add(uint validity, uint uid)
    {
        if (_counts.Count >= Capacity)
        {
            _counts.Clear();
        }

        int count = _counts.GetValueOrDefault((validity, uid)) + 1;
        _counts[(validity, uid)] = count;
        return count >= Allowed;
    }

    /// <summary>Whether a mail failed before.</summary>
    public bool Has(uint validity, uint uid) => _counts.ContainsKey((validity, uid));
}
