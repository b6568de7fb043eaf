namespace Postroom.Diagnostics;

/// <summary>How many messages are open of each conversation that was seen to begin: nothing older of it can be open. Guarded by its owner's lock.</summary>
/// <remarks>What a store has answered is not counted on: an end that was stored before the answer may be told after it.</remarks>
/// <param name="most">How many conversations are counted at most; of others the store is asked.</param>
internal sealed class OpenCounts(int most)
{
    private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>A message has come.</summary>
    /// <param name="conversation">Its conversation.</param>
    /// <param name="begins">Whether it begins that.</param>
    public void Opened(string conversation, bool begins)
    {
        if (_counts.TryGetValue(conversation, out int open))
        {
            _counts[conversation] = open + 1;
        }
        else if (begins && _counts.Count < most)
        {
            _counts.Add(conversation, 1);
        }
    }

    /// <summary>A message has ended.</summary>
    public void Ended(string conversation)
    {
        if (_counts.TryGetValue(conversation, out int open))
        {
            _counts[conversation] = open - 1;
        }
    }

    /// <summary>Whether a conversation has open messages; null when they are not counted. One that has none is forgotten: it seldom goes on.</summary>
    public bool? IsOpen(string conversation)
    {
        if (!_counts.TryGetValue(conversation, out int open))
        {
            return null;
        }

        if (open <= 0)
        {
            _counts.Remove(conversation);
        }

        return open > 0;
    }

    public void Clear() => _counts.Clear();
}
