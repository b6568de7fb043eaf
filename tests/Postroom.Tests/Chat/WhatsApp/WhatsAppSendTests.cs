using System.Text.Json;
using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>WA-3, WA-5 to WA-7: what is sent, in parts, as which kind, and to whom.</summary>
public sealed class WhatsAppSendTests
{
    [Fact]
    public async Task Wa3_a_text_leaves_with_the_message_id_and_comes_back_with_the_services_id()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();

        DeliveryReceipt receipt = await wa.SendAsync(new OutgoingMessage("héllo 😀 \"you\"") { ReplyTo = "wamid.before" }, delivery);

        FakeWhatsAppMessage sent = Assert.Single(wa.Service.Messages);
        Assert.Equal((sent.Id, DeliveryStatus.Sent, wa.Clock.GetUtcNow()), (receipt.OutsideId, receipt.Status, receipt.At));
        Assert.Equal((WhatsAppFixture.Contact, "text", delivery.MessageId.ToString()), (sent.To, sent.Type, sent.Opaque));
        Assert.Equal("héllo 😀 \"you\"", sent.Body.GetProperty("text").GetProperty("body").GetString());
        Assert.Equal((false, "wamid.before"), (sent.Body.GetProperty("text").GetProperty("preview_url").GetBoolean(), sent.Body.GetProperty("context").GetProperty("message_id").GetString()));
        Assert.False(delivery.BytesLeft);
    }

    [Fact]
    public async Task A_number_keeps_to_its_throughput_and_each_part_has_a_turn()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync(config => config with { MessagesPerSecond = 250 });
        DeliveryDouble delivery = new();

        await wa.SendAsync(new OutgoingMessage(string.Join(' ', Enumerable.Repeat("word", 2_000))), delivery);

        Assert.Equal([new SendLimit("", new Rate(250, TimeSpan.FromSeconds(1)), 250)], wa.Communicator.LimitsOf(new OutgoingMessage("x"), null));
        Assert.Equal((3, 2), (wa.Service.Messages.Count, delivery.FurtherTurns));
    }

    [Fact]
    public async Task Wa6_a_long_text_leaves_in_parts_in_order_and_a_retry_goes_on_behind_what_was_taken()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();
        string text = string.Join(' ', Enumerable.Repeat("word", 2_000)); // 9,999 characters: three parts

        DeliveryReceipt receipt = await wa.SendAsync(new OutgoingMessage(text), delivery);

        Assert.Equal(3, wa.Service.Messages.Count);
        Assert.Equal(text, string.Join(' ', wa.Service.Messages.Select(message => message.Body.GetProperty("text").GetProperty("body").GetString())));
        Assert.Equal(wa.Service.Messages.Select(message => message.Id), receipt.Parts);
        Assert.Equal(wa.Service.Messages.Take(2).Select(message => message.Id), delivery.Progress);
        Assert.Equal([$"{delivery.MessageId}/1", $"{delivery.MessageId}/2", $"{delivery.MessageId}"], wa.Service.Messages.Select(message => message.Opaque));

        DeliveryReceipt again = await wa.SendAsync(new OutgoingMessage(text), new DeliveryDouble(progress: [.. delivery.Progress]));
        Assert.Equal(4, wa.Service.Messages.Count);
        Assert.Equal([.. delivery.Progress, wa.Service.Messages[3].Id], again.Parts);
    }

    [Fact]
    public async Task A_part_that_fails_keeps_the_progress_of_those_before_it()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new(progress: ["wamid.1"]);
        wa.Service.Next(FakeWhatsAppServer.Error(500, 131000, "Something went wrong"));

        DeliveryException failed = await wa.RefusedAsync(new OutgoingMessage(new string('x', 10_000)), delivery);

        Assert.Equal(new DeliveryFailure.Transient(), failed.Failure);
        Assert.Equal(["wamid.1"], delivery.Progress);
    }

    [Fact]
    public async Task Wa6_choices_links_and_templates_are_what_the_service_takes()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        Interactive.Choice[] rows = [new("r1", "Monday", "open all day"), new("r2", "Tuesday")];

        await wa.SendAsync(new OutgoingMessage("Sure?") { Interactive = new Interactive.Buttons([new("y", "Yes"), new("n", "No")]) });
        await wa.SendAsync(new OutgoingMessage("When?") { Interactive = new Interactive.List("Days", [new("Week", rows), new("Later", [new("r3", "Next")])]) { Header = "Pickup", Footer = "closed on Sunday" } });
        await wa.SendAsync(new OutgoingMessage("One list") { Interactive = new Interactive.List("Days", [new("", rows)]) });
        await wa.SendAsync(new OutgoingMessage("Track it") { Interactive = new Interactive.CtaUrl("Open", new Uri("https://shop.example/a b")) { Footer = "valid a week" } });
        await wa.SendAsync(new OutgoingMessage("") { Metadata = Template("""{"name":"order_ready","language":"de","components":[{"type":"body","parameters":[{"type":"text","text":"42"}]}]}""") });

        Assert.Equal(["interactive", "interactive", "interactive", "interactive", "template"], wa.Service.Messages.Select(message => message.Type));
        Assert.Equal("https://shop.example/a%20b", wa.Service.Messages[3].Body.GetProperty("interactive").GetProperty("action").GetProperty("parameters").GetProperty("url").GetString());
        Assert.Equal("42", wa.Service.Messages[4].Body.GetProperty("template").GetProperty("components")[0].GetProperty("parameters")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task Wa6_files_are_uploaded_then_sent_with_the_text_under_the_first()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        byte[] picture = [0xFF, 0xD8, 0xFF, 0, 13, 10, 13, 10, 45, 45];
        DeliveryDouble delivery = new();

        DeliveryReceipt receipt = await wa.SendAsync(
            new OutgoingMessage("the shelf") { Attachments = [Attachment.FromBytes("shelf.jpg", picture, "image/jpeg"), Attachment.FromBytes("Größe, Preis.csv", "a;b"u8.ToArray(), "text/csv")] },
            delivery);

        Assert.Equal(["image", "document"], wa.Service.Messages.Select(message => message.Type));
        Assert.Equal([picture, "a;b"u8.ToArray()], wa.Service.Files.Select(file => file.Data));
        Assert.Equal("the shelf", wa.Service.Messages[0].Body.GetProperty("image").GetProperty("caption").GetString());
        Assert.Equal("Größe, Preis.csv", wa.Service.Messages[1].Body.GetProperty("document").GetProperty("filename").GetString());
        Assert.Equal(["File 'Größe, Preis.csv' was sent as text/plain."], receipt.Degraded);
    }

    [Fact]
    public async Task A_voice_takes_no_text_so_the_text_goes_before_it_and_a_large_picture_goes_as_a_document()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        await wa.SendAsync(new OutgoingMessage("listen") { Attachments = [Attachment.FromBytes("v.ogg", new byte[20], "audio/ogg; codecs=opus")] });
        DeliveryReceipt receipt = await wa.SendAsync(new OutgoingMessage("look") { Attachments = [Attachment.FromBytes("big.png", new byte[(5 << 20) + 1], "image/png")] });

        Assert.Equal(["text", "audio", "document"], wa.Service.Messages.Select(message => message.Type));
        Assert.Equal(["Picture 'big.png' was sent as a document: it is over 5 MiB."], receipt.Degraded);
    }

    [Fact]
    public async Task An_upload_without_an_answer_is_no_uncertain_send()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        wa.Service.Next(new FakeAnswer.Reset());
        DeliveryDouble delivery = new();

        DeliveryException failed = await wa.RefusedAsync(new OutgoingMessage("x") { Attachments = [Attachment.FromBytes("a.pdf", new byte[9], "application/pdf")] }, delivery);

        Assert.Equal((new DeliveryFailure.Transient(), false), ((DeliveryFailure.Transient)failed.Failure, delivery.BytesLeft));
        Assert.Empty(wa.Service.Messages);
    }

    [Theory]
    [InlineData("family", null, WhatsAppFixture.Contact)]
    [InlineData("other", null, null)]
    [InlineData("other", "wa:+44 20 7946 0000", "442079460000")]
    [InlineData("family", "wa:447700900000@c.us", "447700900000")]
    public async Task Wa1_the_recipient_is_the_address_else_the_labels_chat_else_nobody(string label, string? recipient, string? number)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        OutgoingMessage message = new(label, "hello");

        if (number is null)
        {
            Assert.Equal(new DeliveryFailure.Unroutable(), (await wa.RefusedAsync(message, new DeliveryDouble(recipient))).Failure);
            return;
        }

        await wa.SendAsync(message, new DeliveryDouble(recipient));
        Assert.Equal(number, Assert.Single(wa.Service.Messages).To);
    }

    [Fact]
    public async Task Wa1_chat_default_serves_every_other_label()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync(config => config with { Chats = new Dictionary<string, string> { ["default"] = "+4420794600000" } });

        await wa.SendAsync(new OutgoingMessage("anything", "hello"), new DeliveryDouble(recipient: null));

        Assert.Equal("4420794600000", Assert.Single(wa.Service.Messages).To);
    }

    [Fact]
    public async Task En10_a_number_of_four_digits_is_refused_before_any_request()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        DeliveryException refused = await wa.RefusedAsync(new OutgoingMessage("x"), new DeliveryDouble("wa:1234"));

        Assert.Equal(new DeliveryFailure.Refused("invalid_number"), refused.Failure);
        Assert.Empty(wa.Service.Requests);
    }

    [Fact]
    public async Task Ac57_a_text_25_hours_after_the_last_contact_is_window_closed_and_a_template_is_not()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        await wa.PostAsync(wa.Service.Post().Text(WhatsAppFixture.Contact, "wamid.in", wa.Clock.GetUtcNow(), "hi"));

        wa.Clock.Advance(TimeSpan.FromHours(24));
        await wa.SendAsync(new OutgoingMessage("just in time"));
        wa.Clock.Advance(TimeSpan.FromHours(1));
        DeliveryException refused = await wa.RefusedAsync(new OutgoingMessage("too late"));
        await wa.SendAsync(new OutgoingMessage("") { Metadata = Template("""{"name":"hello","language":"en_US"}""") });

        Assert.Equal(new DeliveryFailure.Refused("window_closed"), refused.Failure);
        Assert.Equal(["text", "template"], wa.Service.Messages.Select(message => message.Type));
    }

    [Fact]
    public async Task Wa7_a_configured_template_is_sent_instead_and_the_receipt_says_so()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync(config => config with { FallbackTemplate = new WhatsAppTemplate("come_back", "en_US") });
        await wa.PostAsync(wa.Service.Post().Text(WhatsAppFixture.Contact, "wamid.in", wa.Clock.GetUtcNow(), "hi"));
        wa.Clock.Advance(TimeSpan.FromHours(25));

        DeliveryReceipt receipt = await wa.SendAsync(new OutgoingMessage("too late"));

        Assert.Equal("come_back", Assert.Single(wa.Service.Messages).Body.GetProperty("template").GetProperty("name").GetString());
        Assert.StartsWith("Template 'come_back' was sent instead", Assert.Single(receipt.Degraded), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wa7_a_message_of_which_a_part_has_arrived_is_refused_when_the_window_closes_and_no_template_stands_for_the_rest()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync(config => config with { FallbackTemplate = new WhatsAppTemplate("come_back", "en_US") });
        await wa.PostAsync(wa.Service.Post().Text(WhatsAppFixture.Contact, "wamid.in", wa.Clock.GetUtcNow(), "hi"));
        OutgoingMessage message = new(new string('x', 10_000));
        DeliveryDouble begun = new(progress: "wamid.1");
        wa.Clock.Advance(TimeSpan.FromHours(25));

        DeliveryException refused = await wa.RefusedAsync(message, begun);

        Assert.Equal(new DeliveryFailure.Refused("window_closed"), refused.Failure);
        Assert.Contains("1 of the 3 parts", refused.Message, StringComparison.Ordinal);
        Assert.Empty(wa.Service.Messages);
    }

    [Fact]
    public async Task Wa7_an_older_message_that_comes_late_does_not_close_the_window()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        await wa.PostAsync(wa.Service.Post().Text(WhatsAppFixture.Contact, "wamid.new", wa.Clock.GetUtcNow(), "hi"));
        await wa.PostAsync(wa.Service.Post().Text(WhatsAppFixture.Contact, "wamid.old", wa.Clock.GetUtcNow().AddHours(-30), "hi"));

        await wa.SendAsync(new OutgoingMessage("in time"));

        Assert.Single(wa.Service.Messages);
    }

    [Fact]
    public async Task Cm5_a_stop_waits_for_the_send_in_progress_and_a_stopped_one_sends_nothing()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        wa.Service.Delay = TimeSpan.FromMilliseconds(200);

        Task<DeliveryReceipt> sending = wa.SendAsync(new OutgoingMessage("x")).AsTask();
        await wa.Communicator.StopAsync(WhatsAppFixture.Cancel);

        Assert.Equal(DeliveryStatus.Sent, (await sending).Status);
        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), (await wa.RefusedAsync(new OutgoingMessage("x"))).Failure);
    }

    internal static Dictionary<string, JsonElement> Template(string json) => new() { ["template"] = JsonElement.Parse(json) };
}
