#:project ../src/Postroom.Host
#:property PublishAot=false
using Postroom;

await using PostOffice office = await PostOffice.StartAsync(args);
await foreach (Message message in office.ReceiveAllAsync())
{
    await office.ReplyAsync(message, $"You said: {message.RawPayload}");
}
