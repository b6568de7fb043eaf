using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Postroom.Tests.Messages;

public sealed partial class NamesTests
{
    // Letters that names are made of, and their neighbours.
    private static readonly Gen<string> NearlyNames = Gen.Elements("abz019-_./A:ZÄ \n".ToCharArray()).ArrayOf().Select(letters => new string(letters));

    [Fact]
    public void A_name_is_what_the_pattern_says()
    {
        Agree(Names.IsName, text => NamePattern().IsMatch(text));
    }

    [Fact]
    public void A_communicator_name_has_no_dot_and_is_no_reserved_word()
    {
        Agree(Names.IsCommunicatorName, text => NamePattern().IsMatch(text) && !text.Contains('.') && text is not ("label" or "queue" or "reply"));
    }

    [Fact]
    public void A_payload_type_is_what_the_pattern_says()
    {
        Agree(Names.IsPayloadType, text => text.Length <= 128 && TypePattern().IsMatch(text));
    }

    private static void Agree(Func<string?, bool> rule, Func<string, bool> pattern)
    {
        bool Same(string text) => rule(text) == pattern(text);

        Config config = Config.QuickThrowOnFailure.WithMaxTest(2_000);
        Prop.ForAll(NearlyNames.ToArbitrary(), Same).Check(config);
        Prop.ForAll((NonNull<string> text) => Same(text.Get)).Check(config);
        Assert.All(HostileStrings.All(), text => Assert.True(Same(text), text));
        Assert.All(
            (string[])["label", "queue", "reply", "a", "0", "-", "a.b", "a..b", "a._b", "a-", "a.", "chat.text", "a\n", new string('a', 64), new string('a', 65), new string('a', 128), new string('a', 129)],
            text => Assert.True(Same(text), text));
        Assert.False(rule(null));
    }

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9._-]{0,63}\z")]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"\A[a-z][a-z0-9-]*([._][a-z0-9-]+)*\z")]
    private static partial Regex TypePattern();
}
