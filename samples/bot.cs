#:project ../src/Postroom.Host
#:property PublishAot=false
using Postroom;

// dotnet run bot.cs -- --config bot.yaml
await using PostOffice office = await PostOffice.StartAsync(args, app => app
    .AddHandler<IncomingMessage>(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, (message, context, _) => Answer(message.Text, context), "in")
    .AddHandler<MailMessage>(PayloadTypes.MailReceived, PostroomJson.Default.MailMessage, (mail, context, _) => Answer(mail.Text.Trim(), context), "in"));

await office.RunAsync();

static ValueTask<HandlerResult> Answer(string text, HandlerContext context)
{
    if (text.StartsWith("/tell ", StringComparison.Ordinal))
    {
        context.Send("operators", text["/tell ".Length..]);
        context.Reply("They are told.");
    }
    else
    {
        context.Reply($"You wrote {text.Length} characters.");
    }

    return new(HandlerResult.Completed);
}
