using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>A sign that is not a message. Closed: <see cref="Typing"/>, <see cref="Presence"/> or <see cref="Reaction"/>.</summary>
/// <param name="Address">Whom it is shown to.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Typing), "typing")]
[JsonDerivedType(typeof(Presence), "presence")]
[JsonDerivedType(typeof(Reaction), "reaction")]
public abstract record Signal(Address Address)
{
    /// <summary>Shows that an answer is being written. Never stored; the latest one per address wins.</summary>
    /// <param name="Address">Whom it is shown to.</param>
    public sealed record Typing(Address Address) : Signal(Address)
    {
        /// <summary>How long it is shown unless renewed; 8 seconds unless set, zero to hide it.</summary>
        public TimeSpan Ttl { get; init; } = TimeSpan.FromSeconds(8);
    }

    /// <summary>Shows presence. Never stored; the latest one per address wins.</summary>
    /// <param name="Address">Whom it is shown to.</param>
    /// <param name="State">The word the channel knows, for example <c>online</c>.</param>
    public sealed record Presence(Address Address, string State) : Signal(Address);

    /// <summary>Puts an emoji on a message or takes it away. Staged and retried; already there, or already gone, is success.</summary>
    /// <param name="Address">The chat.</param>
    /// <param name="MessageId">The channel's id of the message.</param>
    /// <param name="Emoji">The emoji.</param>
    /// <param name="Remove">True to take it away.</param>
    public sealed record Reaction(Address Address, string MessageId, string Emoji, bool Remove = false) : Signal(Address);
}
