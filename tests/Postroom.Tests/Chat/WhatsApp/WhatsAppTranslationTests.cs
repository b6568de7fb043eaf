using System.Text.Json;
using System.Text.Json.Nodes;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>WA-10: what a contact sends, as a handler gets it; and fetching files.</summary>
public sealed class WhatsAppTranslationTests
{
    private const string From = WhatsAppFixture.Contact;

    private static readonly DateTimeOffset At = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    [Fact]
    public async Task A_text_has_its_sender_label_time_and_what_it_answers()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        IncomingMessage message = await ReceiveAsync(wa, wa.Service.Post().Contact(From, "Anna \u0007 Ölmann").Text(From, "wamid.1", At, "grüß 😀\nGott", replyTo: "wamid.0"));

        Assert.Equal(("chat.text", "grüß 😀\nGott", "wamid.1", At), (Kind(message), message.Text, message.ChannelMessageId, message.Timestamp));
        Assert.Equal(("Anna \uFFFD Ölmann", $"+{From}", "family"), (message.Sender, message.SenderId, message.ChatLabel));
        Assert.Equal((message.Sender, "wamid.0"), (Meta(message, "profile_name"), Meta(message, "reply-to-message")));
    }

    [Fact]
    public async Task Chosen_buttons_and_rows_are_their_ids_with_the_titles_beside()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        await wa.PostAsync(wa.Service.Post().ButtonReply(From, "w1", At, "yes", "Yes!", "w0").ListReply(From, "w2", At, "mon", "Monday", "open").TemplateButton(From, "w3", At, "STOP", "Stop promotions"));

        Assert.Equal(["yes", "mon", "STOP"], wa.Sink.Messages.Select(message => message.Text));
        Assert.All(wa.Sink.Messages, message => Assert.Equal("chat.text", Kind(message)));
        Assert.Equal(["button", "list", "button"], wa.Sink.Messages.Select(message => Meta(message, "interactive")));
        Assert.Equal(["Yes!", "Monday", "Stop promotions"], wa.Sink.Messages.Select(message => Meta(message, "title")));
        Assert.Equal(("w0", "open"), (Meta(wa.Sink.Messages[0], "reply-to-message"), Meta(wa.Sink.Messages[1], "description")));
    }

    [Theory]
    [InlineData("image", "image/jpeg", false, "chat.image", "image-{0}.jpg")]
    [InlineData("audio", "audio/ogg; codecs=opus", true, "chat.voice", "voice-{0}.ogg")]
    [InlineData("audio", "audio/mpeg", false, "chat.audio", "audio-{0}.mp3")]
    [InlineData("video", "video/mp4", false, "chat.video", "video-{0}.mp4")]
    [InlineData("sticker", "image/webp", false, "chat.sticker", "sticker-{0}.webp")]
    [InlineData("document", "no media type", false, "chat.document", "document-{0}.bin")]
    public async Task A_file_is_a_reference_that_is_fetched_when_it_is_opened(string type, string contentType, bool voice, string kind, string name)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        FakeWhatsAppFile file = wa.Service.AddFile([0, 1, 2, 255, 13, 10], contentType);

        IncomingMessage message = await ReceiveAsync(wa, wa.Service.Post().Media(From, "w1", At, type, file, caption: type == "image" ? "the shelf" : null, voice: voice));

        Attachment attachment = Assert.Single(message.Attachments);
        Assert.Equal((kind, type == "image" ? "the shelf" : ""), (Kind(message), message.Text));
        Assert.Equal((string.Format(null, name, file.Id), file.Id, file.Sha256), (attachment.Name, attachment.Reference, attachment.Sha256));
        Assert.Null(attachment.Data);
        await using Stream opened = await attachment.OpenAsync(wa.Communicator.FetchAsync, WhatsAppFixture.Cancel);
        Assert.Equal(file.Data.Length, opened.Length);
    }

    [Fact]
    public async Task A_file_that_was_changed_is_too_long_or_lies_elsewhere_is_not_given()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        FakeWhatsAppFile file = wa.Service.AddFile([1, 2, 3], "image/png");
        FakeWhatsAppFile large = wa.Service.AddFile(new byte[Attachment.MaxLength + 1], "image/png");
        Attachment attachment = new() { Name = "a.png", Reference = file.Id };

        Assert.Equal(new DeliveryFailure.Transient(), await FailAsync(attachment with { Sha256 = new string('0', 64) }));
        Assert.Equal(new DeliveryFailure.Refused("too_long"), await FailAsync(attachment with { Reference = large.Id }));
        Assert.Equal(new DeliveryFailure.Refused("100"), await FailAsync(attachment with { Reference = "12345" }));
        Assert.Equal(new DeliveryFailure.Refused("no_reference"), await FailAsync(attachment with { Reference = "../me" }));
        wa.Service.FileUrl = "https://evil.example/files/1"; // T18: the token goes to Meta only
        Assert.Equal(new DeliveryFailure.Refused("media_url"), await FailAsync(attachment));
        wa.Service.FileUrl = "https://lookaside.fbsbx.com.evil.example/1";
        Assert.Equal(new DeliveryFailure.Refused("media_url"), await FailAsync(attachment));
        wa.Service.FileUrl = "http://lookaside.fbsbx.com/1";
        Assert.Equal(new DeliveryFailure.Refused("media_url"), await FailAsync(attachment));

        async Task<DeliveryFailure> FailAsync(Attachment asked) => (await Assert.ThrowsAsync<DeliveryException>(() => wa.Communicator.FetchAsync(asked, WhatsAppFixture.Cancel).AsTask())).Failure;
    }

    [Fact]
    public async Task Places_cards_and_reactions_have_forms_of_their_own()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        await wa.PostAsync(wa.Service.Post()
            .Location(From, "w1", At, 52.52, -13.405, "Office", "Main St 1")
            .ContactCard(From, "w2", At, "Bob; \"B\"\r\nEND:VCARD", "+4420794600000")
            .Reaction(From, "w3", At, "wamid.mine", "👍")
            .Reaction(From, "w4", At, "wamid.mine", null));

        Assert.Equal(["chat.location", "chat.contact", "chat.reaction", "chat.reaction"], wa.Sink.Messages.Select(Kind));
        Assert.Equal(("Office, Main St 1", 52.52, -13.405), (wa.Sink.Messages[0].Text, wa.Sink.Messages[0].Metadata["latitude"].GetDouble(), wa.Sink.Messages[0].Metadata["longitude"].GetDouble()));
        string card = Assert.Single(JsonSerializer.Deserialize<string[]>(wa.Sink.Messages[1].Text)!);
        Assert.Equal(["BEGIN:VCARD", "VERSION:3.0", @"N:;Bob\; ""B""\nEND:VCARD;;;", @"FN:Bob\; ""B""\nEND:VCARD", "TEL;TYPE=CELL:+4420794600000", "END:VCARD"], card.Split("\r\n"));
        Assert.Equal(("👍", "wamid.mine", false), (wa.Sink.Messages[2].Text, Meta(wa.Sink.Messages[2], "reply-to-message"), wa.Sink.Messages[2].Metadata["removed"].GetBoolean()));
        Assert.Equal(("", true), (wa.Sink.Messages[3].Text, wa.Sink.Messages[3].Metadata["removed"].GetBoolean()));
    }

    [Theory]
    [InlineData("order", "chat.order")]
    [InlineData("request_welcome", "chat.request-welcome")]
    [InlineData("unsupported", "chat.unsupported")]
    [InlineData("Ünknown kind", "chat.unknown")]
    public async Task Wa9_an_unknown_kind_is_kept_whole_under_its_name(string type, string kind)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        IncomingMessage message = await ReceiveAsync(wa, wa.Service.Post().Message(From, "w1", At, type, new JsonObject { ["catalog_id"] = "7" }));

        Assert.Equal((kind, "", null), (Kind(message), message.Text, message.Invalid));
        Assert.True(Names.IsPayloadType(kind));
        Assert.Equal("7", message.Metadata["raw"].GetProperty(type).GetProperty("catalog_id").GetString());
    }

    [Fact]
    public async Task An_unknown_kind_with_half_a_character_is_kept_as_text()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        string body = wa.Service.Post().Message(From, "w1", At, "order", "PLACE").ToString().Replace("PLACE", "\\ud800", StringComparison.Ordinal);

        await wa.PostAsync(body);

        Assert.Contains("\\ud800", Assert.Single(wa.Sink.Messages).Metadata["raw"].GetString(), StringComparison.Ordinal);
    }

    private static async Task<IncomingMessage> ReceiveAsync(WhatsAppFixture wa, FakeWhatsAppPost post)
    {
        Assert.Equal(200, (await wa.PostAsync(post)).Status);
        return Assert.Single(wa.Sink.Messages);
    }

    private static string? Kind(IncomingMessage message) => Meta(message, "type");

    private static string? Meta(IncomingMessage message, string key) => message.Metadata.TryGetValue(key, out JsonElement value) ? value.GetString() : null;
}
