#:project ../src/Postroom.Host
#:property PublishAot=false
using Postroom;

// dotnet run bot.cs -- --config bot.yaml
await using PostOffice office = await PostOffice.StartAsync(args, app => app
    .AddHandler<IncomingMessage>(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, (message, context, _) =>
    {
        if (message.Text.StartsWith("/tell ", StringComparison.Ordinal))
        {
            context.Send("operators", message.Text["/tell ".Length..]);
            context.Reply("They are told.");
        }
        else
        {
            context.Reply($"You wrote {message.Text.Length} characters.");
        }

        return new(HandlerResult.Completed);
    }, "in"));

await office.RunAsync();
