using System.Text.Json;
using Xunit;

namespace Postroom.Tests.Messages;

public sealed class MessageTests
{
    private static Message Read(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return Message.FromPayload(document.RootElement);
    }

    [Theory]
    [InlineData("[]", "")]
    [InlineData("null", "")]
    [InlineData("\"x\"", "")]
    [InlineData("{\"sender\":\"42\"}", "msg_type")]
    [InlineData("{\"sender\":\"42\",\"msg_type\":null}", "msg_type")]
    [InlineData("{\"sender\":\"42\",\"msg_type\":7}", "msg_type")]
    [InlineData("{\"sender\":\"42\",\"msg_type\":\"\"}", "msg_type")]
    [InlineData("{\"sender\":\"42\",\"msg_type\":\"Chat\"}", "msg_type")]
    [InlineData("{\"sender\":\"42\",\"msg_type\":\"a_b\"}", "msg_type")]
    [InlineData("{\"sender\":\"42\",\"msg_type\":\"abcdefghijklmnopqrstuvwxyz0123456\"}", "msg_type")]
    [InlineData("{\"msg_type\":\"chat\"}", "sender")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":42}", "sender")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"\"}", "sender")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"4\\n2\"}", "sender")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"\\ud800\"}", "sender")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"42\",\"raw_msg\":{}}", "raw_msg")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"42\",\"raw_payload\":[]}", "raw_payload")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"42\",\"client_type\":true}", "client_type")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"42\",\"metadata\":\"x\"}", "metadata")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"42\",\"attachments\":[]}", "attachments")]
    [InlineData("{\"msg_type\":\"chat\",\"sender\":\"42\",\"attachments\":{\"a\":1}}", "attachments")]
    public void A_body_that_does_not_fit_names_its_field(string json, string field)
    {
        MessageFormatException e = Assert.Throws<MessageFormatException>(() => Read(json));

        Assert.Equal(field, e.Field);
        Assert.Contains(field.Length == 0 ? "object" : field, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_least_body_has_the_defaults()
    {
        Message message = Read("{\"msg_type\":\"chat\",\"sender\":\"42\",\"metadata\":null,\"client_type\":\"\",\"unknown\":[1]}");

        Assert.Equal(("42", "chat", "", "unknown"), (message.Sender, message.MessageType, message.RawPayload, message.ClientType));
        Assert.Empty(message.Metadata);
        Assert.Empty(message.Attachments);
        Assert.Null(message.ExternalId);
        Assert.Null(message.Id);
    }

    [Fact]
    public void A_full_body_is_read_whole_and_outlives_its_document()
    {
        Message message = Read(
            "{\"msg_type\":\"ptt\",\"sender\":\"+49 1\",\"raw_payload\":\"T2dn\",\"client_type\":\"whatsapp\",\"message_id\":\"wa-1\","
            + "\"metadata\":{\"a\":{\"b\":[1]}},\"attachments\":{\"transcript_file\":\"aGk=\"}}");

        Assert.Equal(("ptt", "+49 1", "T2dn", "whatsapp", "wa-1"), (message.MessageType, message.Sender, message.RawPayload, message.ClientType, message.ExternalId));
        Assert.Equal(1, message.Metadata["a"].GetProperty("b")[0].GetInt32());
        Assert.Equal("aGk=", message.Attachments["transcript_file"]);
    }

    [Fact]
    public void Raw_msg_goes_before_raw_payload()
    {
        Assert.Equal("a", Read("{\"msg_type\":\"chat\",\"sender\":\"42\",\"raw_payload\":\"b\",\"raw_msg\":\"a\"}").RawPayload);
    }
}
