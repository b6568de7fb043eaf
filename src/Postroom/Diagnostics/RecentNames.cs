namespace Postroom.Diagnostics;

/// <summary>The names that were added last: at least so many, at most twice as many.</summary>
internal sealed class RecentNames(int least)
{
    private HashSet<string> _new = new(StringComparer.Ordinal);
    private HashSet<string> _old = new(StringComparer.Ordinal);

    /// <summary>Adds a name; false when it is there already.</summary>
    public bool Add(string name)
    {
        if (_old.Contains(name) || !_new.Add(name))
        {
            return false;
        }

        if (_new.Count >= least)
        {
            (_old, _new) = (_new, _old);
            _new.Clear();
        }

        return true;
    }

    public void Remove(string name)
    {
        if (!_new.Remove(name))
        {
            _old.Remove(name);
        }
    }

    public void Clear()
    {
        _new.Clear();
        _old.Clear();
    }
}
