#:project ../src/Postroom.Host
#:property PublishAot=false
using Postroom;

await using PostOffice office = await PostOffice.StartAsync(args);
await foreach (Message message in office.ReceiveAllAsync())
{
    if (message.RawPayload == "wait") await Task.Delay(100);
    await office.ReplyAsync(message, $"You said: {message.RawPayload}");
}
