using System.Diagnostics;
using System.Reflection;
using System.Text;
using Postroom.Sqlite;

namespace Postroom.CrashApp;

/// <summary>All that a runtime asks of a store, in one.</summary>
internal interface IWholeStore : IMessageStore, IJournal, ITransitionFeed, IStoreLifecycle, IQueueControl;

/// <summary>Where a process can be made to end itself around a write.</summary>
/// <param name="Write">The write: <c>claim</c>, <c>part</c>, <c>ack</c> or <c>append</c>.</param>
/// <param name="After">Whether the write is committed first.</param>
/// <param name="Count">How many messages have to be there, all of which stop there.</param>
internal sealed record DeadlyPoint(string Write, bool After, int Count)
{
    /// <summary>Reads <c>claim.after@3</c>.</summary>
    public static DeadlyPoint Parse(string text)
    {
        string[] words = text.Split('.', '@');
        return new DeadlyPoint(words[0], words[1] == "after", int.Parse(words[2], System.Globalization.CultureInfo.InvariantCulture));
    }
}

/// <summary>A SQLite store that ends the process with SIGKILL at one of its writes. The product has no part in it: it is asked through its contracts.</summary>
internal class DeadlyStore : DispatchProxy
{
    private SqliteStore _store = null!;
    private DeadlyPoint? _point;
    private byte[] _text = [];
    private int _reached;

    /// <summary>Wraps a store.</summary>
    /// <param name="store">What does the work.</param>
    /// <param name="dieAt">Where to end; null for nowhere.</param>
    /// <param name="text">What is in the body of a message that counts.</param>
    public static IWholeStore Wrap(SqliteStore store, string? dieAt, string text)
    {
        IWholeStore wrapped = Create<IWholeStore, DeadlyStore>();
        var self = (DeadlyStore)(object)wrapped;
        (self._store, self._point, self._text) = (store, dieAt is null ? null : DeadlyPoint.Parse(dieAt), Encoding.UTF8.GetBytes(text));
        return wrapped;
    }

    /// <inheritdoc/>
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (_point is null || !Meets(targetMethod!.Name, args ?? []))
        {
            return Call(targetMethod!, args);
        }

        if (!_point.After)
        {
            return Stopped(targetMethod.ReturnType);
        }

        return Call(targetMethod, args) switch
        {
            ValueTask<bool> renewed => StopAsync(renewed),
            ValueTask<StoreWriteResult> written => StopAsync(written),
            ValueTask<IReadOnlyList<AppendResult>> appended => StopAsync(appended),
            ValueTask settled => StopAsync(settled),
            object other => throw new InvalidOperationException($"There is no point at {targetMethod.Name}, which returns {other.GetType().Name}."),
            null => null,
        };
    }

    private object? Call(MethodInfo method, object?[]? args) => method.Invoke(_store, BindingFlags.DoNotWrapExceptions, null, args, null);

    private bool Meets(string method, object?[] args) => (_point!.Write, method) switch
    {
        ("claim", nameof(IMessageStore.RenewAsync)) => args[1] is LeaseProgress.Claim && Counts(((MessageLease)args[0]!).Envelope),
        ("part", nameof(IMessageStore.RenewAsync)) => args[1] is LeaseProgress.Parts { OutsideIds.Count: 2 } && Counts(((MessageLease)args[0]!).Envelope),
        ("ack", nameof(IMessageStore.SettleAsync)) => args[1] is Settlement.Acknowledged && Counts(((MessageLease)args[0]!).Envelope),
        ("ack", nameof(IMessageStore.WriteAsync)) => ((StoreWrite)args[0]!).Settlements.Any(one => one.Outcome is Settlement.Acknowledged && Counts(one.Lease.Envelope)),
        ("append", nameof(IMessageStore.AppendAsync)) when args[0] is IReadOnlyList<Envelope> batch => batch.Any(IsIncoming),
        ("append", nameof(IMessageStore.WriteAsync)) => ((StoreWrite)args[0]!).Appends.Any(IsIncoming),
        _ => false,
    };

    private static bool IsIncoming(Envelope message) => message.Queue == "in";

    private bool Counts(Envelope message) => message.Queue.StartsWith("out.", StringComparison.Ordinal) && message.Body.Span.IndexOf(_text) >= 0;

    private object Stopped(Type type)
    {
        Reached();
        return type == typeof(ValueTask) ? new ValueTask(Never<bool>())
            : type == typeof(ValueTask<bool>) ? new ValueTask<bool>(Never<bool>())
            : type == typeof(ValueTask<StoreWriteResult>) ? new ValueTask<StoreWriteResult>(Never<StoreWriteResult>())
            : new ValueTask<IReadOnlyList<AppendResult>>(Never<IReadOnlyList<AppendResult>>());
    }

    private async ValueTask<T> StopAsync<T>(ValueTask<T> written)
    {
        _ = await written;
        Reached();
        return await Never<T>();
    }

    private async ValueTask StopAsync(ValueTask written)
    {
        await written;
        Reached();
        await Never<bool>();
    }

    private static Task<T> Never<T>() => new TaskCompletionSource<T>().Task;

    private void Reached()
    {
        if (Interlocked.Increment(ref _reached) >= _point!.Count)
        {
            using Process self = Process.GetCurrentProcess();
            self.Kill();
            Thread.Sleep(Timeout.Infinite); // The signal is on its way.
        }
    }
}
