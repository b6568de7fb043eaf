namespace Postroom.ControlPlane;

/// <summary>Which answers this process has shown, by their position and in the order they were shown; the latest ones only. Safe for concurrent use.</summary>
internal sealed class PublishedAnswers
{
    private const int Capacity = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, Answer> _answers = [];
    private readonly Queue<long> _order = new();
    private long _shown;

    /// <summary>Notes an answer before it is shown, so that a stream that opens meanwhile finds it.</summary>
    /// <param name="seq">Its position.</param>
    /// <param name="id">The message.</param>
    /// <param name="contact">Whose streams show it; null for one that was shown before and only comes to mind again.</param>
    public void Add(long seq, MessageId id, string? contact = null)
    {
        lock (_gate)
        {
            if (!_answers.TryAdd(seq, new Answer(id, contact, ++_shown)))
            {
                return;
            }

            _order.Enqueue(seq);
            while (_answers.Count > Capacity && _order.TryDequeue(out long oldest))
            {
                _answers.Remove(oldest);
            }
        }
    }

    /// <summary>The id of an answer that was shown; null when it was not, or long ago.</summary>
    public MessageId? Find(long seq)
    {
        lock (_gate)
        {
            return _answers.TryGetValue(seq, out Answer? answer) ? answer.Id : null;
        }
    }

    /// <summary>
    /// The answers before a position that were shown after the answer at it: conversations do not wait for each other, so an older answer of
    /// another one may come later. Where this process has not shown that answer, all of them are.
    /// </summary>
    public IReadOnlyList<(long Seq, MessageId Id)> ShownLate(long seq, string? contact)
    {
        lock (_gate)
        {
            long since = _answers.TryGetValue(seq, out Answer? at) ? at.Number : 0;
            return
            [
                .. _answers
                    .Where(pair => pair.Key < seq && pair.Value.Number > since && pair.Value.Contact is { } shownTo && (contact is null || contact == shownTo))
                    .Select(pair => (pair.Key, pair.Value.Id)),
            ];
        }
    }

    private sealed record Answer(MessageId Id, string? Contact, long Number);
}
