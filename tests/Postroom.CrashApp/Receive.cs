namespace Postroom.CrashApp;

/// <summary>The program without modules: receive, reply. It stops where the gate says, to be killed there.</summary>
internal static class Receive
{
    public static async Task<int> RunAsync(string[] args, CrashOptions options)
    {
        await using PostOffice office = await PostOffice.StartAsync(args);
        Console.WriteLine("READY");
        await foreach (Message message in office.ReceiveAllAsync())
        {
            Console.WriteLine($"RECEIVED {message.RawPayload}");
            await GateAsync(options.Gate);
            await office.ReplyAsync(message, $"You said: {message.RawPayload}");
            Console.WriteLine($"REPLIED {message.RawPayload}");
            await GateAsync($"{options.Gate}.next");
        }

        return 0;
    }

    /// <summary>Asks for one message after the other, and so never comes to its end by itself.</summary>
    public static async Task<int> NextAsync(string[] args)
    {
        await using PostOffice office = await PostOffice.StartAsync(args);
        Console.WriteLine("READY");
        while (true)
        {
            Message message = await office.ReceiveAsync();
            await office.ReplyAsync(message, $"You said: {message.RawPayload}");
            Console.WriteLine($"REPLIED {message.RawPayload}");
        }
    }

    private static async Task GateAsync(string? gate)
    {
        while (gate is not null && !File.Exists(gate))
        {
            await Task.Delay(20);
        }
    }
}
