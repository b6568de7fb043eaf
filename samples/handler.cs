#:project ../src/Postroom.Host
#:property PublishAot=false
using Postroom;

await using PostOffice office = await PostOffice.StartAsync(args, app => app
    .AddHandler<IncomingMessage>(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, (message, context, _) =>
    {
        context.Reply($"You wrote {message.Text.Length} characters.");
        return new(HandlerResult.Completed);
    }, "in"));

await office.RunAsync();
