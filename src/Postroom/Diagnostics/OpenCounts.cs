namespace Postroom.Diagnostics;

/// <summary>How many messages are open of each conversation that was seen to begin, or to have none. Guarded by its owner's lock.</summary>
/// <param name="most">How many conversations are counted at most; of others the store is asked.</param>
internal sealed class OpenCounts(int most)
{
    private readonly Dictionary<string, Count> _counts = new(StringComparer.Ordinal);

    /// <summary>A message has come.</summary>
    /// <param name="conversation">Its conversation.</param>
    /// <param name="begins">Whether it begins that, so that nothing older can be open.</param>
    public void Opened(string conversation, bool begins)
    {
        if (_counts.TryGetValue(conversation, out Count? count))
        {
            count.Open++;
        }
        else if (begins && HasRoom())
        {
            _counts.Add(conversation, new Count { Open = 1 });
        }
    }

    /// <summary>A message has ended.</summary>
    public void Ended(string conversation)
    {
        if (_counts.TryGetValue(conversation, out Count? count))
        {
            count.Open--;
        }
    }

    /// <summary>Whether a conversation has open messages; null when they are not counted. One that began here and has ended is forgotten: it seldom goes on.</summary>
    public bool? IsOpen(string conversation)
    {
        if (!_counts.TryGetValue(conversation, out Count? count))
        {
            return null;
        }

        if (count is { Open: <= 0, Stays: false })
        {
            _counts.Remove(conversation);
        }

        return count.Open > 0;
    }

    /// <summary>The store has nothing open of a conversation: from now on its messages are counted.</summary>
    public void Learn(string conversation)
    {
        if (HasRoom())
        {
            _counts.TryAdd(conversation, new Count { Stays = true });
        }
    }

    public void Clear() => _counts.Clear();

    private bool HasRoom()
    {
        if (_counts.Count >= most)
        {
            foreach ((string conversation, Count count) in _counts)
            {
                if (count.Open <= 0)
                {
                    _counts.Remove(conversation);
                }
            }
        }

        return _counts.Count < most;
    }

    private sealed class Count
    {
        public int Open { get; set; }

        /// <summary>A conversation that comes back, such as a chat.</summary>
        public bool Stays { get; init; }
    }
}
