using System.Collections.Immutable;

namespace Postroom.Outbound;

/// <summary>One communicator as it is registered.</summary>
internal sealed record Registration(ICommunicator Communicator, IReadOnlyList<string> Labels, CommunicatorBackendConfig Config, string? Problem)
{
    public string Name => Communicator.Name;

    public string Queue => OutboundQueue.Of(Communicator.Name);
}

/// <summary>Which communicator gets which label, in the order of registration. Readers see one consistent snapshot.</summary>
internal sealed class RoutingTable
{
    private ImmutableArray<Registration> _registrations = [];

    public ImmutableArray<Registration> All => _registrations;

    /// <summary>Adds a communicator, or replaces the one of its name in place. Returns the one it replaced.</summary>
    public Registration? Set(Registration registration)
    {
        Registration? replaced = null;
        ImmutableInterlocked.Update(ref _registrations, (all, added) =>
        {
            int index = IndexOf(all, added.Name);
            replaced = index < 0 ? null : all[index];
            return index < 0 ? all.Add(added) : all.SetItem(index, added);
        }, registration);
        return replaced;
    }

    public Registration? Remove(string name)
    {
        Registration? removed = null;
        ImmutableInterlocked.Update(ref _registrations, (all, gone) =>
        {
            int index = IndexOf(all, gone);
            removed = index < 0 ? null : all[index];
            return index < 0 ? all : all.RemoveAt(index);
        }, name);
        return removed;
    }

    public Registration? Find(string name)
    {
        ImmutableArray<Registration> all = _registrations;
        int index = IndexOf(all, name);
        return index < 0 ? null : all[index];
    }

    /// <summary>The communicators whose service calls them at a path, in the order in which they were registered; empty when none is.</summary>
    public IReadOnlyList<IWebhookReceiver> FindByPath(string path)
    {
        List<IWebhookReceiver>? found = null;
        foreach (Registration registration in _registrations)
        {
            if (registration.Communicator is IWebhookReceiver receiver && receiver.WebhookPath is { } own && string.Equals(own, path, StringComparison.Ordinal))
            {
                (found ??= []).Add(receiver);
            }
        }

        return found ?? (IReadOnlyList<IWebhookReceiver>)[];
    }

    /// <summary>The communicator of a name, else the first of a kind.</summary>
    public Registration? FindByNameOrKind(string nameOrKind)
    {
        return Find(nameOrKind) ?? _registrations.FirstOrDefault(registration => registration.Config.Type == nameOrKind);
    }

    public IEnumerable<Registration> WithLabel(string label)
    {
        foreach (Registration registration in _registrations)
        {
            if (registration.Labels.Contains(label, StringComparer.Ordinal))
            {
                yield return registration;
            }
        }
    }

    private static int IndexOf(ImmutableArray<Registration> all, string name)
    {
        for (int i = 0; i < all.Length; i++)
        {
            if (string.Equals(all[i].Name, name, StringComparison.Ordinal))
            {
                return i;
            }
        }

        return -1;
    }
}
