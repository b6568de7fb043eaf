using System.Text;
using System.Xml.Linq;
using Postroom.Mail;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.Mail.Reading;

/// <summary>The structure of mails against the trees that another reader's authors wrote down (AC-65).</summary>
public sealed class MimeStructureTests
{
    /// <summary>Where we read another structure than the expected one, and why.</summary>
    private static readonly Dictionary<string, string> Different = new(StringComparer.Ordinal)
    {
        ["multi-2gifs-base64"] = "A message/rfc822 in base64, which RFC 2046 section 5.2.1 forbids, stays a file; its bytes are decoded.",
    };

    [Fact]
    public void AC_65_the_parts_of_a_mail_are_those_that_the_expected_tree_has()
    {
        List<string> differing = [];
        foreach (string file in Corpora.Required("mime/mimetools", "*.msg"))
        {
            MimeEntity mail = MimeParser.Parse(File.ReadAllBytes(file), new Problems(), out bool exceeded);
            string expected = Outline(Tree(Path.ChangeExtension(file, ".xml")));
            string found = Outline(mail);

            Assert.False(exceeded);
            if (expected != found)
            {
                differing.Add(Path.GetFileNameWithoutExtension(file));
            }
        }

        Assert.Equal(Different.Keys.Order(StringComparer.Ordinal), differing);
    }

    /// <summary>The trees are Latin-1 and hold control characters, which XML forbids.</summary>
    private static XElement Tree(string file)
    {
        string xml = File.ReadAllText(file, Encoding.Latin1);
        return XDocument.Parse(string.Concat(xml.Where(c => c is >= ' ' or '\n' or '\t'))).Root!;
    }

    private static string Outline(XElement message) => message.Element("multipart") is { } multipart
        ? $"({string.Join(' ', multipart.Elements("body-part").Select(Outline))})"
        : message.Element("message") is { } inner ? $"mail{{{Outline(inner)}}}" : "leaf";

    private static string Outline(MimeEntity entity) => entity.Type.Value.StartsWith("multipart/", StringComparison.Ordinal) && (entity.Parts.Count > 0 || entity.Body.IsEmpty)
        ? $"({string.Join(' ', entity.Parts.Select(Outline))})"
        : entity.Mail is { } mail ? $"mail{{{Outline(mail)}}}" : "leaf";
}
