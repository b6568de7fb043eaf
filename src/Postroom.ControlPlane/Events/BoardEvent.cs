using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Postroom.ControlPlane;

/// <summary>One event of the runtime as the board keeps it. It becomes text only for a client that reads it (TR-1).</summary>
internal readonly record struct BoardEvent
{
    /// <summary>The kind of moves of messages.</summary>
    public const string Moves = "transition";

    /// <summary>The kind that tells a client that it missed events; no filter leaves it out.</summary>
    public const string Gaps = "gap";

    /// <summary>The kind of lines of the log, which are for administrators.</summary>
    public const string Logs = "log";

    /// <summary>All kinds that can be asked for.</summary>
    public static readonly string[] Kinds = [Moves, "receipt", "health", "config", "worker", "source", "runtime", "restart", Logs];

    /// <summary>Its number in this run, from 1.</summary>
    public long Number { get; init; }

    /// <summary>What kind it is.</summary>
    public string Name { get; init; }

    /// <summary>The queue it is about; null for none.</summary>
    public string? Queue { get; init; }

    /// <summary>The conversation it is about; null for none.</summary>
    public string? Conversation { get; init; }

    /// <summary>The message it is about; null for none.</summary>
    public MessageId? MessageId { get; init; }

    /// <summary>One line of JSON, made now.</summary>
    public string Data => View is { } view ? JsonSerializer.Serialize(view, Json!) : JsonSerializer.Serialize(TransitionView.Of(Move), EventJson.Default.TransitionView);

    private Transition Move { get; init; }

    private object? View { get; init; }

    private JsonTypeInfo? Json { get; init; }

    /// <summary>A move of a message.</summary>
    public static BoardEvent Of(in Transition move) => new() { Name = Moves, Move = move, Queue = move.Queue, Conversation = move.Conversation, MessageId = move.MessageId };

    /// <summary>Anything else.</summary>
    /// <param name="name">What kind it is.</param>
    /// <param name="view">What is told.</param>
    /// <param name="json">How it is written.</param>
    public static BoardEvent Of<T>(string name, T view, JsonTypeInfo<T> json)
        where T : class => new() { Name = name, View = view, Json = json };

    /// <summary>That something was missed.</summary>
    public static BoardEvent GapOf(string reason) => Of(Gaps, new GapView(reason), EventJson.Default.GapView);
}

/// <summary>Which events a client wants: every part that is set must hold.</summary>
/// <param name="Kinds">The kinds; none for all.</param>
/// <param name="WithLogs">Whether the log may be told to it.</param>
/// <param name="Queue">Those about a queue; null for all.</param>
/// <param name="Conversation">Those about a conversation; null for all.</param>
/// <param name="Message">Those about a message; null for all.</param>
internal sealed record EventFilter(IReadOnlyList<string> Kinds, bool WithLogs, string? Queue, string? Conversation, MessageId? Message)
{
    /// <summary>Whether an event is wanted.</summary>
    public bool Wants(in BoardEvent item) => item.Name == BoardEvent.Gaps
        || ((item.Name != BoardEvent.Logs || WithLogs)
            && (Kinds.Count == 0 || Kinds.Contains(item.Name))
            && (Queue is null || item.Queue == Queue)
            && (Conversation is null || item.Conversation == Conversation)
            && (Message is null || item.MessageId == Message));
}
