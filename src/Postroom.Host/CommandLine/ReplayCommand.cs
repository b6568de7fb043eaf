using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Explaining;

namespace Postroom.Host;

/// <summary>Makes finished messages due again, through the running runtime.</summary>
internal static class ReplayCommand
{
    public static async Task<int> RunAsync(HostArguments arguments, IReadOnlyList<string> ids, bool force, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken)
            ?? throw new NotReachableException("A replay needs the running runtime, and none answers. Start it with 'postroom run'.");
        int code = ExitCodes.Done;
        foreach (string id in ids)
        {
            try
            {
                await ReplayAsync(client, arguments, id, force, cancellationToken);
            }
            catch (InvalidOperationException e)
            {
                // The others may be replayed all the same.
                await Console.Error.WriteLineAsync(e.Message);
                code = ExitCodes.Failed;
            }
        }

        return code;
    }

    private static async Task ReplayAsync(RuntimeClient client, HostArguments arguments, string id, bool force, CancellationToken cancellationToken)
    {
        // The story finds messages by prefix and outside id as well.
        WhyView found = await client.GetAsync($"journal/{Uri.EscapeDataString(id)}/why", JournalJson.Default.WhyView, cancellationToken)
            ?? throw new InvalidOperationException(default(FoundMessage).Complain(id));
        ReplayView replayed = await client.PostAsync($"journal/{found.Id}/replay", force ? "{\"force\":true}" : "{}", JournalJson.Default.ReplayView, cancellationToken)
            ?? throw new InvalidOperationException(default(FoundMessage).Complain(id));
        if (arguments.Json)
        {
            Output.Json(replayed, JournalJson.Default.ReplayView);
        }
        else
        {
            Console.WriteLine(replayed.Id == found.Id ? $"{replayed.Id} is due again." : $"{replayed.Id} repeats {found.Id}.");
        }
    }
}
