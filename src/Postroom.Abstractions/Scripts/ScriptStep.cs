using System.Text.Json;

namespace Postroom.Scripts;

/// <summary>One step of a saved conversation. Closed.</summary>
internal abstract record ScriptStep
{
    private ScriptStep()
    {
    }

    /// <summary>What the contact sends.</summary>
    /// <param name="Type">The word of <c>/webhook</c>, such as <c>chat</c>.</param>
    /// <param name="Text">The text, or the file of a medium in base64.</param>
    public sealed record Say(string Type, string Text) : ScriptStep
    {
        /// <summary>What goes with it.</summary>
        public IReadOnlyDictionary<string, JsonElement> Metadata { get; init; } = new Dictionary<string, JsonElement>();

        /// <summary>Files in base64 by their name.</summary>
        public IReadOnlyDictionary<string, string> Attachments { get; init; } = new Dictionary<string, string>();
    }

    /// <summary>What is answered to what was said last.</summary>
    /// <param name="Text">How the text is compared.</param>
    public sealed record Answer(ExpectedText Text) : ScriptStep
    {
        /// <summary>The names of its files, in order; null to look at the text alone.</summary>
        public IReadOnlyList<string>? Files { get; init; }
    }
}
