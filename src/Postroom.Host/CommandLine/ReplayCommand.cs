using Postroom.Configuration;
using Postroom.ControlPlane;

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
            // The story finds messages by prefix and outside id as well.
            WhyView? found = await client.GetAsync($"journal/{Uri.EscapeDataString(id)}/why", JournalJson.Default.WhyView, cancellationToken);
            ReplayView? replayed = found is null
                ? null
                : await client.PostAsync($"journal/{found.Id}/replay", force ? "{\"force\":true}" : "{}", JournalJson.Default.ReplayView, cancellationToken);
            if (replayed is null)
            {
                await Console.Error.WriteLineAsync($"No message has the id, outside id or unique prefix '{id}'.");
                code = ExitCodes.Failed;
            }
            else
            {
                if (arguments.Json)
                {
                    Output.Json(replayed, JournalJson.Default.ReplayView);
                }
                else
                {
                    Console.WriteLine($"{replayed.Id} is due again.");
                }
            }
        }

        return code;
    }
}
