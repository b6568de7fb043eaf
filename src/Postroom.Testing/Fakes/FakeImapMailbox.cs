using System.Text;

namespace Postroom.Testing;

/// <summary>One mailbox of a fake IMAP server. Safe for concurrent use; what changes is told to whoever has it open.</summary>
public sealed class FakeImapMailbox
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<uint, Mail> _mails = [];
    private readonly TimeProvider _clock = TimeProvider.System;
    private TaskCompletionSource _changed = NewChange();
    private uint _uidNext = 1;
    private uint _uidValidity = 1;

    internal FakeImapMailbox(string name) => Name = name;

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Changes when the UIDs mean other mails than before; 1 at first.</summary>
    public uint UidValidity
    {
        get
        {
            lock (_gate)
            {
                return _uidValidity;
            }
        }
    }

    /// <summary>The UID that the next mail gets; may be set back, as after a restore.</summary>
    public uint UidNext
    {
        get
        {
            lock (_gate)
            {
                return _uidNext;
            }
        }

        set
        {
            lock (_gate)
            {
                _uidNext = value;
            }
        }
    }

    /// <summary>Whether a client may only read it; false unless set.</summary>
    public bool IsReadOnly { get; set; }

    /// <summary>What is said as <c>PERMANENTFLAGS</c>: null says nothing. <c>\* \Seen \Flagged \Deleted</c> unless set; without <c>\*</c> other keywords are refused.</summary>
    public string? PermanentFlags { get; set; } = @"\Seen \Flagged \Deleted \*";

    /// <summary>The UIDs of the mails, ascending.</summary>
    public IReadOnlyList<uint> Uids
    {
        get
        {
            lock (_gate)
            {
                return [.. _mails.Keys];
            }
        }
    }

    /// <summary>Delivers a mail.</summary>
    /// <param name="mail">The mail; LF becomes CRLF.</param>
    /// <param name="flags">Its flags.</param>
    /// <returns>Its UID.</returns>
    public uint Deliver(string mail, params IEnumerable<string> flags)
    {
        ArgumentNullException.ThrowIfNull(mail);
        return Deliver(Encoding.UTF8.GetBytes(mail.ReplaceLineEndings("\r\n")), flags);
    }

    /// <summary>Delivers a mail as it is.</summary>
    /// <param name="mail">Its bytes.</param>
    /// <param name="flags">Its flags.</param>
    /// <returns>Its UID.</returns>
    public uint Deliver(ReadOnlyMemory<byte> mail, params IEnumerable<string> flags)
    {
        lock (_gate)
        {
            uint uid = _uidNext++;
            _mails[uid] = new Mail(mail, _clock.GetUtcNow(), new HashSet<string>(flags, StringComparer.OrdinalIgnoreCase));
            Change();
            return uid;
        }
    }

    /// <summary>Takes a mail away.</summary>
    /// <param name="uid">Its UID.</param>
    public void Expunge(uint uid)
    {
        lock (_gate)
        {
            _mails.Remove(uid);
            Change();
        }
    }

    /// <summary>Gives all mails new numbers: another UIDVALIDITY, and UIDs from 1 in another order.</summary>
    public void Renumber()
    {
        lock (_gate)
        {
            Mail[] all = [.. _mails.Values.Reverse()];
            _mails.Clear();
            (_uidValidity, _uidNext) = (_uidValidity + 1, 1);
            foreach (Mail mail in all)
            {
                _mails[_uidNext++] = mail;
            }
        }
    }

    /// <summary>The flags of a mail, ordered, with a blank between; null when it is gone.</summary>
    /// <param name="uid">Its UID.</param>
    public string? FlagsOf(uint uid)
    {
        lock (_gate)
        {
            return _mails.TryGetValue(uid, out Mail? mail) ? string.Join(' ', mail.Flags.Order(StringComparer.Ordinal)) : null;
        }
    }

    /// <summary>Sets or takes away a flag, as another client does.</summary>
    /// <param name="uid">The mail's UID.</param>
    /// <param name="flag">The flag.</param>
    /// <param name="set">Whether it is set.</param>
    public void Flag(uint uid, string flag, bool set = true)
    {
        lock (_gate)
        {
            if (_mails.TryGetValue(uid, out Mail? mail))
            {
                _ = set ? mail.Flags.Add(flag) : mail.Flags.Remove(flag);
            }
        }
    }

    /// <summary>Completes when mails come or go.</summary>
    internal Task Changed
    {
        get
        {
            lock (_gate)
            {
                return _changed.Task;
            }
        }
    }

    /// <summary>The mails as they are now.</summary>
    internal IReadOnlyDictionary<uint, Mail> Snapshot()
    {
        lock (_gate)
        {
            return new SortedDictionary<uint, Mail>(_mails.ToDictionary(pair => pair.Key, pair => pair.Value with { Flags = new HashSet<string>(pair.Value.Flags, StringComparer.OrdinalIgnoreCase) }));
        }
    }

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Change()
    {
        _changed.TrySetResult();
        _changed = NewChange();
    }

    /// <summary>One mail.</summary>
    internal sealed record Mail(ReadOnlyMemory<byte> Bytes, DateTimeOffset ArrivedAt, HashSet<string> Flags);
}
