using System.Security.Cryptography;
using System.Text.Json;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Host;

/// <summary>What a <see cref="PostOffice"/> does beyond receiving and sending: files and calls.</summary>
[Collection(PostOfficeCollection.Name)]
public sealed class PostOfficeTests : IDisposable
{
    private static readonly byte[] Photo = "the photo"u8.ToArray();

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Wa10_and_gw12_a_program_opens_the_files_of_the_open_message_and_calls_a_communicator()
    {
        await using PostOffice office = await PostOffice.StartAsync(
            ["--set", "store.kind=memory", "--set", $"runtime.dataDirectory={_folder.Path}", "--set", "server.urls=[\"http://127.0.0.1:0\"]"],
            app => app.AddCommunicator(_ => new Album()),
            Cancel);
        await UntilAsync(async () => (await office.Runtime.View.GetStatusAsync(Cancel)).Communicators.Any(one => one is { Name: "album", Started: true }));
        Attachment file = new() { Name = "a.jpg", ContentType = "image/jpeg", Reference = "1", Sha256 = Convert.ToHexStringLower(SHA256.HashData(Photo)) };
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new IncomingMessage { Text = "look" }, PostroomJson.Default.IncomingMessage);
        for (int i = 0; i < 2; i++)
        {
            await office.Runtime.View.OpenSink("test").AcceptAsync([new SourceMessage("in", "chat.image", body) { From = Address.Parse("album:ann"), Attachments = [file] }], null, Cancel);
        }

        Message first = await office.ReceiveAsync(cancellationToken: Cancel);
        Attachment kept = Assert.Single(await office.GetFilesAsync(first));
        await using (Stream stream = await office.OpenAsync(first, kept, Cancel))
        {
            Assert.Equal(Photo.Length, stream.Length);
        }

        await office.AckAsync(first, Cancel);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await office.GetFilesAsync(first));
        await office.ReceiveAsync(cancellationToken: Cancel);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await office.OpenAsync(first, kept, Cancel));
        RemoteCallResult called = await office.CallAsync("album", "count", JsonElement.Parse("{}"), cancellationToken: Cancel);
        Assert.Equal(1, called.Result!.Value.GetInt32());
        Assert.Equal("unknown_method", (await office.CallAsync("album", "burn", JsonElement.Parse("{}"), cancellationToken: Cancel)).Error!.Code);
        await office.StopAsync();
    }

    private sealed class Album() : Communicator("album"), IAttachmentSource, IRemoteCalls
    {
        public override CommunicatorCapabilities Capabilities { get; } = new();

        public IReadOnlyCollection<string> Methods { get; } = ["count"];

        public ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken) => new(Photo);

        public ValueTask<JsonElement> InvokeAsync(string method, JsonElement arguments, CancellationToken cancellationToken) => new(JsonElement.Parse("1"));

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => new(new DeliveryReceipt { Status = DeliveryStatus.Sent });
    }
}
