using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class MessageTranslatorTests
{
    public static TheoryData<string> Payloads =>
    [
        """{"sender":"491","msg_type":"chat","raw_msg":"hello \ud83d\ude00\r\nline","client_type":"whatsapp","metadata":{"id":"x1","Mixed Key":{"a":[1,1.50,null]}},"message_id":"m1"}""",
        """{"sender":"49123@c.us","msg_type":"ptt","raw_msg":"T2dnUwAA","client_type":"wa","metadata":{"mimetype":"audio/ogg; codecs=opus"}}""",
        """{"sender":"a/b/c","msg_type":"image","raw_msg":"iVBORw0KGgo=","metadata":{"caption":"a picture"},"attachments":{"image.png":"AAEC","transcript_file":"aGVsbG8="}}""",
        """{"sender":"1","msg_type":"image","raw_msg":"","attachments":{"image.png":"AAEC"}}""",
        """{"sender":"1","msg_type":"vcard","raw_msg":"[\"BEGIN:VCARD\\nEND:VCARD\"]"}""",
        """{"sender":"1","msg_type":"location","raw_msg":"52.5,13.4"}""",
        """{"sender":"1","msg_type":"sticker-2"}""",
    ];

    [Theory]
    [MemberData(nameof(Payloads))]
    public void A_message_goes_through_an_envelope_without_loss(string json)
    {
        Message message = Message.FromPayload(JsonDocument.Parse(json).RootElement);

        Envelope envelope = message.ToEnvelope("in", "chat");
        Message back = Message.FromEnvelope(envelope);

        Assert.Equal(message.Sender, back.Sender);
        Assert.Equal(message.MessageType, back.MessageType);
        Assert.Equal(message.RawPayload, back.RawPayload);
        Assert.Equal(message.ClientType, back.ClientType);
        Assert.Equal(message.Attachments, back.Attachments);
        Assert.Equal(message.Metadata.Keys, back.Metadata.Keys);
        Assert.All(message.Metadata, entry => Assert.True(JsonElement.DeepEquals(entry.Value, back.Metadata[entry.Key])));
        Assert.Equal(envelope.Id, back.Id);
        Assert.Equal(envelope.Conversation, back.Conversation);

        // And once more: what was received can be handed on as it is.
        Assert.Equal(envelope.Body.ToArray(), back.ToEnvelope("in", "chat").Body.ToArray());
    }

    [Fact]
    public void Chat_audio_voice_and_contacts_reach_a_handler_as_text_files_and_cards()
    {
        IncomingMessage text = Translate("""{"sender":"1","msg_type":"chat","raw_msg":"hi"}""", out SourceMessage chat);
        IncomingMessage audio = Translate("""{"sender":"1","msg_type":"audio","raw_msg":"SUQzBA=="}""", out SourceMessage sound);
        IncomingMessage voice = Translate("""{"sender":"1","msg_type":"ptt","raw_msg":"T2dnUwAA"}""", out SourceMessage note);
        IncomingMessage cards = Translate("""{"sender":"1","msg_type":"vcard","raw_msg":"[\"BEGIN:VCARD\\nFN:Ann\\nEND:VCARD\"]"}""", out SourceMessage contact);

        Assert.Equal(("chat.text", "chat.audio", "chat.voice", "chat.contact"), (chat.Type, sound.Type, note.Type, contact.Type));
        Assert.Equal("hi", text.Text);
        Assert.Equal(("", "audio.mp3", "audio/mpeg"), (audio.Text, sound.Attachments[0].Name, sound.Attachments[0].ContentType));
        Assert.Equal(("", "ptt.ogg", "audio/ogg"), (voice.Text, note.Attachments[0].Name, note.Attachments[0].ContentType));
        Assert.Equal("OggS"u8.ToArray(), note.Attachments[0].Data!.Value[..4].ToArray());
        Assert.Contains("FN:Ann", JsonSerializer.Deserialize(cards.Text, PostroomJson.Default.StringArray)![0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("49123@c.us")]
    [InlineData("49123@s.whatsapp.net")]
    [InlineData("49123")]
    [InlineData("+49123")]
    public void En10_a_phone_number_is_one_contact_in_every_form(string sender)
    {
        Translate($$"""{"sender":"{{sender}}","msg_type":"chat","message_id":"7"}""", out SourceMessage written, kind: "whatsapp");
        SourceMessage cloud = Intake.IncomingTranslation.ToSource("wa", new IncomingMessage { Text = "", SenderId = "+49123" });

        Assert.Equal(("wa:+49123", "wa/+49123"), (written.From!.ToString(), written.Conversation));
        Assert.Equal((cloud.From, cloud.Conversation), (written.From, written.Conversation));
    }

    [Theory]
    [InlineData("49123", "telegram", "49123")]
    [InlineData("49123", null, "49123")]
    [InlineData("491", "whatsapp", "491")]
    [InlineData("ann@c.us", "whatsapp", "ann")]
    [InlineData("12036304@g.us", "whatsapp", "12036304@g.us")]
    public void En10_what_is_no_phone_number_of_its_channel_stays_as_it_is(string sender, string? kind, string contact)
    {
        Assert.Equal(contact, Message.ContactOf(sender, kind));
    }

    [Fact]
    public void Two_senders_never_share_a_key()
    {
        Translate("""{"sender":"a:b","msg_type":"chat","message_id":"c"}""", out SourceMessage one);
        Translate("""{"sender":"a","msg_type":"chat","message_id":"b:c"}""", out SourceMessage other);
        Translate($$"""{"sender":"{{new string('s', 256)}}","msg_type":"chat","message_id":"{{new string('k', 512)}}"}""", out SourceMessage longest);

        Assert.NotEqual(one.DedupKey, other.DedupKey);
        Assert.InRange(longest.DedupKey!.Length, 1, 512);
        Assert.InRange(longest.Conversation!.Length, 1, 256);
    }

    [Fact]
    public void A_repeated_post_gives_the_same_bytes()
    {
        const string Json = """{"sender":"1","msg_type":"chat","raw_msg":"x","metadata":{"timestamp":1767225600}}""";

        IncomingMessage incoming = Translate(Json, out SourceMessage first);
        Translate(Json, out SourceMessage second);

        Assert.Equal(first.Body.ToArray(), second.Body.ToArray());
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), incoming.Timestamp);
    }

    [Fact]
    public void An_outgoing_message_is_read_with_its_recipient()
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new OutgoingMessage("hello") { To = Address.Parse("wa:491") }, PostroomJson.Default.OutgoingMessage);
        Envelope envelope = new(MessageId.New(), "out.wa", PayloadTypes.Notify, body) { To = Address.Parse("wa:491"), Direction = MessageDirection.Outbound };

        Message message = Message.FromEnvelope(envelope);

        Assert.Equal(("491", "chat", "hello", "wa"), (message.Sender, message.MessageType, message.RawPayload, message.ClientType));
    }

    [Fact]
    public void A_body_of_another_kind_is_shown_as_its_text()
    {
        Message message = Message.FromEnvelope(new Envelope(MessageId.New(), "orders", "order.received", Encoding.UTF8.GetBytes("[1,2]")));

        Assert.Equal(("", "order.received", "[1,2]"), (message.Sender, message.MessageType, message.RawPayload));
    }

    private static IncomingMessage Translate(string json, out SourceMessage source, string? kind = null)
    {
        Message message = Message.FromPayload(JsonDocument.Parse(json).RootElement) with { ChannelKind = kind };
        source = MessageTranslator.ToSource(message, "in", "wa", new HeaderDictionary());
        return JsonSerializer.Deserialize(source.Body.Span, PostroomJson.Default.IncomingMessage)!;
    }
}
