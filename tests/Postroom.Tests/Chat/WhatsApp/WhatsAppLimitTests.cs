using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>AC-57: each limit of WA-6 is refused before any request, with the limit and the remedy; and what is just within it is taken.</summary>
public sealed class WhatsAppLimitTests
{
    private static readonly Interactive.Choice Row = new("r", "Row");

    public static TheoryData<string, OutgoingMessage, string, string> Broken() => new()
    {
        { "nothing", new OutgoingMessage(""), "empty", "no text, no file and no template" },
        { "no buttons", Buttons(0), "too_few", "0 buttons; WhatsApp takes 1 to 3" },
        { "four buttons", Buttons(4), "too_many", "4 buttons; WhatsApp takes 1 to 3" },
        { "button id", Button(new string('i', 257), "t"), "too_long", "257 characters; WhatsApp takes at most 256" },
        { "button title", Button("i", new string('t', 21)), "too_long", "21 characters; WhatsApp takes at most 20" },
        { "empty title", Button("i", " "), "missing", "title of a button is empty" },
        { "same ids", With(new Interactive.Buttons([new("a", "A"), new("a", "B")])), "not_distinct", "Two buttons have the id 'a'" },
        { "buttons' body", Buttons(1) with { Message = new string('x', 1_025) }, "too_long", "1025 characters; WhatsApp takes at most 1024" },
        { "no body", Buttons(1) with { Message = "" }, "missing", "text above the choices is empty" },
        { "list button", List(button: new string('b', 21)), "too_long", "21 characters; WhatsApp takes at most 20" },
        { "list body", List() with { Message = new string('x', 1_025) }, "too_long", "1025 characters; WhatsApp takes at most 1024" },
        { "list header", List(header: new string('h', 61)), "too_long", "61 characters; WhatsApp takes at most 60" },
        { "list footer", List(footer: new string('f', 61)), "too_long", "61 characters; WhatsApp takes at most 60" },
        { "no sections", Sections(), "too_few", "0 sections; WhatsApp takes 1 to 10" },
        { "eleven sections", Sections([.. Enumerable.Range(0, 11).Select(i => new Interactive.Section($"s{i}", [new($"r{i}", "Row")]))]), "too_many", "11 sections; WhatsApp takes 1 to 10" },
        { "eleven rows", Sections(new("a", Rows(0, 6)), new("b", Rows(6, 5))), "too_many", "11 rows in all sections; WhatsApp takes 1 to 10" },
        { "empty section", Sections(new("a", [Row]), new("b", [])), "too_few", "0 rows in section 'b'" },
        { "section title", Sections(new Interactive.Section(new string('s', 25), [Row])), "too_long", "25 characters; WhatsApp takes at most 24" },
        { "no section title", Sections(new("", [Row]), new("b", [new("r2", "Row")])), "missing", "title of a section is empty" },
        { "row title", Sections(new Interactive.Section("a", [new("r", new string('t', 25))])), "too_long", "25 characters; WhatsApp takes at most 24" },
        { "row description", Sections(new Interactive.Section("a", [new("r", "t", new string('d', 73))])), "too_long", "73 characters; WhatsApp takes at most 72" },
        { "link text", Link(new string('l', 21)), "too_long", "21 characters; WhatsApp takes at most 20" },
        { "link scheme", Link("Open", "http://shop.example"), "not_https", "does not begin with https://" },
        { "link body", Link("Open") with { Message = new string('x', 1_025) }, "too_long", "1025 characters; WhatsApp takes at most 1024" },
        { "link header", With(new Interactive.CtaUrl("Open", new Uri("https://x.example")) { Header = new string('h', 61) }), "too_long", "61 characters; WhatsApp takes at most 60" },
        { "link footer", With(new Interactive.CtaUrl("Open", new Uri("https://x.example")) { Footer = new string('f', 61) }), "too_long", "61 characters; WhatsApp takes at most 60" },
        { "caption", File("a.png", "image/png", 9) with { Message = new string('c', 1_025) }, "too_long", "1025 characters; WhatsApp takes at most 1024" },
        { "file type", File("a.exe", "application/x-msdownload", 9), "media_type", "has the type 'application/x-msdownload'" },
        { "long audio", File("a.mp3", "audio/mpeg", (16 << 20) + 1), "too_long", "16777217 bytes; WhatsApp takes at most 16777216" },
        { "empty file", File("a.pdf", "application/pdf", 0), "no_data", "File 'a.pdf' is empty" },
        { "template", new OutgoingMessage("") { Metadata = WhatsAppSendTests.Template("\"hello\"") }, "invalid_template", "metadata.template is no object" },
        { "template name", new OutgoingMessage("") { Metadata = WhatsAppSendTests.Template("""{"name":"No Name","language":"en"}""") }, "invalid_template", "metadata.template.name" },
        { "template language", new OutgoingMessage("") { Metadata = WhatsAppSendTests.Template("""{"name":"hello"}""") }, "invalid_template", "metadata.template.language" },
        { "template components", new OutgoingMessage("") { Metadata = WhatsAppSendTests.Template("""{"name":"hello","language":"en","components":{}}""") }, "invalid_template", "metadata.template.components" },
    };

    [Theory]
    [MemberData(nameof(Broken), DisableDiscoveryEnumeration = true)]
    public async Task Ac57_a_broken_limit_is_refused_before_any_request(string what, OutgoingMessage message, string code, string says)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        DeliveryException refused = await wa.RefusedAsync(message);

        Assert.Equal((what, new DeliveryFailure.Refused(code)), (what, refused.Failure));
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
        Assert.Empty(wa.Service.Requests);
    }

    [Fact]
    public async Task What_is_just_within_every_limit_is_taken_by_the_service()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        string body = new('x', 1_024);
        Interactive.Section[] sections = [.. Enumerable.Range(0, 10).Select(i => new Interactive.Section($"{i}{new string('s', 23)}", [new($"{i}{new string('i', 199)}", new string('t', 24), new string('d', 72))]))];

        await wa.SendAsync(new OutgoingMessage(new string('x', 4_096)));
        await wa.SendAsync(new OutgoingMessage(body) { Interactive = new Interactive.Buttons([.. Enumerable.Range(0, 3).Select(i => new Interactive.Choice($"{i}{new string('i', 255)}", $"{i}{new string('t', 19)}"))]) });
        await wa.SendAsync(new OutgoingMessage(body) { Interactive = new Interactive.List(new string('b', 20), sections) { Header = new string('h', 60), Footer = new string('f', 60) } });
        await wa.SendAsync(new OutgoingMessage(body) { Interactive = new Interactive.CtaUrl(new string('l', 20), new Uri("https://x.example/")) { Header = new string('h', 60), Footer = new string('f', 60) } });
        await wa.SendAsync(File("a.jpg", "image/jpeg", 5 << 20) with { Message = body });
        await wa.SendAsync(File("a.mp3", "audio/mpeg", 16 << 20));

        Assert.Equal(["text", "interactive", "interactive", "interactive", "image", "audio"], wa.Service.Messages.Select(message => message.Type));
    }

    private static OutgoingMessage With(Interactive choices) => new("body") { Interactive = choices };

    private static OutgoingMessage Buttons(int count) => With(new Interactive.Buttons([.. Enumerable.Range(0, count).Select(i => new Interactive.Choice($"b{i}", $"Button {i}"))]));

    private static OutgoingMessage Button(string id, string title) => With(new Interactive.Buttons([new(id, title)]));

    private static OutgoingMessage List(string button = "Open", string? header = null, string? footer = null) =>
        With(new Interactive.List(button, [new("a", [Row])]) { Header = header, Footer = footer });

    private static OutgoingMessage Sections(params Interactive.Section[] sections) => With(new Interactive.List("Open", sections));

    private static Interactive.Choice[] Rows(int from, int count) => [.. Enumerable.Range(from, count).Select(i => new Interactive.Choice($"r{i}", "Row"))];

    private static OutgoingMessage Link(string text, string url = "https://shop.example") => With(new Interactive.CtaUrl(text, new Uri(url)));

    private static OutgoingMessage File(string name, string type, int length) => new("") { Attachments = [Attachment.FromBytes(name, new byte[length], type)] };
}
