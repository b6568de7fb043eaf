using Postroom.Intake;

namespace Postroom.Host;

/// <summary>Finds the channel of a recipient.</summary>
internal static class ChannelFinder
{
    /// <summary>An address as it is written, or a bare recipient through the channel it wrote in last, the default one, or the only one.</summary>
    public static async Task<Address> ResolveAsync(MessageRuntime runtime, string to, CancellationToken cancellationToken)
    {
        if (Address.TryParse(to, out Address? address) && (address.Kind != AddressKind.Recipient || runtime.Rooms.Outbound.Routes.Find(address.Scheme) is not null))
        {
            return address;
        }

        ContactBook contacts = runtime.Rooms.Contacts;
        (string Channel, string Contact)? known = await contacts.FindAsync(to, cancellationToken);
        string? channel = known?.Channel;
        string recipient = known?.Contact ?? to;
        if (channel is null && address is not null)
        {
            throw new AddressException($"There is no communicator '{address.Scheme}' for '{Names.Shorten(to)}'. Use one of {Listed(runtime.Rooms.Outbound.Routes.All)}, or a bare recipient.");
        }

        if (channel is null && runtime.Configuration.Current.Get<CommunicationsConfig>("communications").DefaultChannel is { } preferred
            && runtime.Rooms.Outbound.Routes.Find(preferred) is not null)
        {
            channel = preferred;
        }

        Outbound.Registration[] takers = [.. runtime.Rooms.Outbound.Routes.All.Where(registration => registration.Communicator.Capabilities.TakesRecipients)];
        channel ??= takers.Length == 1 ? takers[0].Name : null;
        return channel is not null
            ? Address.ForRecipient(channel, recipient)
            : throw new AddressException(
                $"'{Names.Shorten(to)}' names no channel and has not written before. Use COMMUNICATOR:RECIPIENT with one of {Listed(takers)}, or set communications.defaultChannel.");
    }

    private static string Listed(IEnumerable<Outbound.Registration> registrations) =>
        string.Join(", ", registrations.Select(registration => registration.Name).DefaultIfEmpty("(no communicator is registered)"));
}
