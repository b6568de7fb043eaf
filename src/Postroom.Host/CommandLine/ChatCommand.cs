using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Scripts;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>Saves a conversation as a script that the test kit replays (EU-9), from the running runtime or the store file.</summary>
internal static class ChatCommand
{
    public static async Task<int> SaveAsync(HostArguments arguments, string conversation, string? file, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);

        // A contact alone is one of a web chat, as its page shows it, whatever that chat is called.
        string id = conversation.Contains('/', StringComparison.Ordinal) ? conversation : await WholeAsync(arguments, settings, conversation, cancellationToken) ?? $"emulator/{conversation}";
        byte[] script = await ReadAsync(arguments, settings, id, cancellationToken)
            ?? throw new InvalidOperationException($"Nothing of conversation '{Names.Shorten(id)}' is kept. 'postroom journal list' shows them in the column CONVERSATION; give one as it stands there, such as CHANNEL/CONTACT.");
        if (file is null)
        {
            await using Stream output = Console.OpenStandardOutput();
            await output.WriteAsync(script, cancellationToken);
            return ExitCodes.Done;
        }

        if (Path.Exists(file))
        {
            throw new InvalidOperationException($"'{file}' is there already, and a script may have been edited. Name another file, or remove it first.");
        }

        await File.WriteAllBytesAsync(file, script, cancellationToken);
        if (!arguments.Quiet)
        {
            int steps = ScriptFile.Parse(script).Steps.Count;
            Console.WriteLine($"{steps} steps are saved in '{file}'. Replay them in a test: ConversationScript.Load(\"{Path.GetFileName(file)}\").");
        }

        return ExitCodes.Done;
    }

    /// <summary>The conversation of a contact, by the newest message of one; null for none.</summary>
    /// <exception cref="InvalidOperationException">Several channels have a contact of that name.</exception>
    private static async Task<string?> WholeAsync(HostArguments arguments, ConfigurationSnapshot settings, string contact, CancellationToken cancellationToken)
    {
        IReadOnlyList<MessageView> items = await ReadCommands.FindAsync(arguments, settings, new JournalFilter { Text = $"/{contact}", Limit = 100 }, cancellationToken);
        string[] found = [.. items.Select(item => item.Conversation).OfType<string>().Where(id => id.Split('/') is [_, var last] && last == contact).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return found.Length <= 1
            ? found.FirstOrDefault()
            : throw new InvalidOperationException($"Several channels have a contact '{Names.Shorten(contact)}'. Give one of {string.Join(", ", found)}.");
    }

    private static async Task<byte[]?> ReadAsync(HostArguments arguments, ConfigurationSnapshot settings, string id, CancellationToken cancellationToken)
    {
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        if (client is not null)
        {
            return await client.GetBytesAsync($"conversations/{Uri.EscapeDataString(id)}/script", cancellationToken);
        }

        using SqliteJournalReader cold = ReadCommands.OpenCold(arguments, settings);
        return (await ScriptRecorder.RecordAsync(new ColdJournal(cold), id, cancellationToken))?.Write();
    }
}
