using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Postroom.Tests.Messages;

public sealed class AddressTests
{
    [Theory]
    [InlineData("label:operators", AddressKind.Label, "label", "operators", null)]
    [InlineData("label:a/b", AddressKind.Label, "label", "a/b", null)]
    [InlineData("queue:orders", AddressKind.Queue, "queue", "orders", null)]
    [InlineData("telegram:-100123", AddressKind.Recipient, "telegram", "-100123", null)]
    [InlineData("telegram:-100123/9", AddressKind.Recipient, "telegram", "-100123", "9")]
    [InlineData("mail:anna@example.org", AddressKind.Recipient, "mail", "anna@example.org", null)]
    [InlineData("web:https://x/y z", AddressKind.Recipient, "web", "https://x/y z", null)]
    [InlineData("web:a:b:c", AddressKind.Recipient, "web", "a:b:c", null)]
    public void The_three_forms_are_read_and_written(string text, AddressKind kind, string scheme, string target, string? topic)
    {
        Address address = Address.Parse(text);

        Assert.Equal((kind, scheme, target, topic), (address.Kind, address.Scheme, address.Target, address.Topic));
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData("telegram")]
    [InlineData("telegram:")]
    [InlineData(":42")]
    [InlineData("Telegram:42")]
    [InlineData("tele.gram:42")]
    [InlineData("queue:Orders")]
    [InlineData("reply:42")]
    [InlineData("telegram:4\n2")]
    [InlineData("label:\u0000")]
    public void Anything_else_is_refused(string text)
    {
        Assert.False(Address.TryParse(text, out Address? address));
        Assert.Null(address);
        Assert.Throws<FormatException>(() => Address.Parse(text));
    }

    [Fact]
    public void What_can_be_read_is_written_as_it_was_and_read_again()
    {
        Prop.ForAll((NonNull<string> scheme, NonNull<string> target, NonNull<string> topic) =>
        {
            string[] texts =
            [
                scheme.Get, $"{scheme.Get}:{target.Get}", $"telegram:{target.Get}", $"telegram:{target.Get}/{topic.Get}", $"label:{target.Get}", $"queue:{target.Get}",
            ];
            return texts.All(text => !Address.TryParse(text, out Address? address) || (address.ToString() == text && address == Address.Parse(address.ToString())));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Hostile_strings_are_carried_or_refused_and_never_changed()
    {
        foreach (string text in HostileStrings.All())
        {
            foreach (string form in (string[])[text, $"telegram:{text}", $"label:{text}", $"queue:{text}", $"telegram:42/{text}"])
            {
                if (Address.TryParse(form, out Address? address))
                {
                    Assert.Equal(form, address.ToString());
                    Assert.DoesNotContain(address.Target, char.IsControl);
                }
                else
                {
                    FormatException e = Assert.Throws<FormatException>(() => Address.Parse(form));
                    Assert.DoesNotContain(e.Message, char.IsControl);
                }
            }
        }
    }

    [Fact]
    public void It_is_text_in_json()
    {
        Address address = Address.Parse("telegram:-100123/9");

        string json = JsonSerializer.Serialize(address);

        Assert.Equal("\"telegram:-100123/9\"", json);
        Assert.Equal(address, JsonSerializer.Deserialize<Address>(json));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Address>("\"nowhere\""));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Address>("42"));
    }
}
