using System.Globalization;
using Postroom.Scripts;

namespace Postroom.Testing;

/// <summary>A saved conversation that is replayed against a program: what was said is said again, and the answers are compared (TK-4).</summary>
/// <remarks>
/// The file is made by the web chat ("Save as a test") or by <c>postroom chat save</c>, and may be edited: it is JSON of version 1 with a list of steps. A step says something,
/// <c>{"say": "hello"}</c>, or tells an answer to what was said last: <c>{"answer": "exactly this"}</c>, or where parts change <c>{"answer": {"contains": "…"}}</c>,
/// <c>{"answer": {"like": "Order {id} of {time} costs {amount}"}}</c> with the variables <c>{id}</c>, <c>{number}</c>, <c>{amount}</c>, <c>{time}</c> and <c>{any}</c>, or
/// <c>{"answer": {"pattern": "a regular expression"}}</c>. Immutable and safe for concurrent use.
/// </remarks>
public sealed class ConversationScript
{
    private const string Contact = "12345678";

    private readonly ScriptFile _file;

    private ConversationScript(string name, ScriptFile file) => (Name, _file) = (name, file);

    /// <summary>What the script is called in differences: its file's name.</summary>
    public string Name { get; }

    /// <summary>How many steps it has, what is said and what is answered.</summary>
    public int Steps => _file.Steps.Count;

    /// <summary>Reads a file of at most 64 MiB and 10,000 steps.</summary>
    /// <param name="path">Where it is.</param>
    /// <exception cref="FormatException">It is no script; the message says which step is wrong and what to do.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ConversationScript Load(string path)
    {
        long length = new FileInfo(path).Length;
        return length > ScriptFile.MaxBytes
            ? throw new FormatException($"'{path}' has {length} bytes, and a script may have {ScriptFile.MaxBytes}. Save a shorter conversation.")
            : Parse(File.ReadAllText(path), Path.GetFileName(path));
    }

    /// <summary>Reads a script from its text.</summary>
    /// <param name="json">The text.</param>
    /// <param name="name">What it is called in differences.</param>
    /// <exception cref="FormatException">It is no script; the message says which step is wrong and what to do.</exception>
    public static ConversationScript Parse(string json, string name = "script")
    {
        try
        {
            return new ConversationScript(name, ScriptFile.Parse(System.Text.Encoding.UTF8.GetBytes(json)));
        }
        catch (FormatException e)
        {
            throw new FormatException($"'{name}' is no conversation. {e.Message}", e);
        }
    }

    /// <summary>Says what the script says, each time until the program is idle, and compares the answers.</summary>
    /// <param name="test">The program; the contact of the script is new to it unless a script was replayed there before.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TimeoutException">The program does not come to rest.</exception>
    public async Task<ConversationResult> ReplayAsync(TestRuntime test, CancellationToken cancellationToken = default)
    {
        List<ConversationDifference> differences = [];
        for (int at = 0; at < _file.Steps.Count;)
        {
            int place = at + 1;
            ScriptStep.Say say = (ScriptStep.Say)_file.Steps[at++];
            ScriptStep.Answer[] expected = [.. _file.Steps.Skip(at).TakeWhile(static step => step is ScriptStep.Answer).Cast<ScriptStep.Answer>()];
            IReadOnlyList<OutgoingMessage> got = await SayAsync(test, say, cancellationToken);
            Compare(differences, place, say, expected, got);
            at += expected.Length;
        }

        return new ConversationResult(Name, differences);
    }

    private static async Task<IReadOnlyList<OutgoingMessage>> SayAsync(TestRuntime test, ScriptStep.Say say, CancellationToken cancellationToken)
    {
        int before = test.Deliveries.Count;
        await test.SendAsync(new Message { Sender = Contact, MessageType = say.Type, RawPayload = say.Text, ClientType = "test", Metadata = say.Metadata, Attachments = say.Attachments });
        await test.RunUntilIdleAsync(cancellationToken);
        string contact = $"test:{Contact}";
        return
        [
            .. test.Deliveries.Skip(before)
                .Where(send => send.Recipient?.ToString() == contact && send.Outcome is SendOutcome.Succeeds or SendOutcome.Takes { Then: null })
                .DistinctBy(send => send.IdempotencyKey)
                .Select(send => send.Message),
        ];
    }

    private static void Compare(List<ConversationDifference> differences, int place, ScriptStep.Say say, ScriptStep.Answer[] expected, IReadOnlyList<OutgoingMessage> got)
    {
        for (int i = 0; i < Math.Max(expected.Length, got.Count); i++)
        {
            ScriptStep.Answer? wanted = i < expected.Length ? expected[i] : null;
            OutgoingMessage? answer = i < got.Count ? got[i] : null;
            if (wanted is null || answer is null || !wanted.Text.IsIn(answer.Message) || !HasFiles(wanted, answer))
            {
                differences.Add(new ConversationDifference(place + (wanted is null ? expected.Length : i + 1), say.Type == "chat" ? say.Text : $"[{say.Type}]", Describe(wanted), Describe(answer, wanted?.Files is not null))
                {
                    FirstAt = wanted?.Text.Match == TextMatch.Exact && answer is not null ? FirstDifference(wanted.Text.Text, answer.Message) : null,
                });
            }
        }
    }

    private static bool HasFiles(ScriptStep.Answer wanted, OutgoingMessage answer) => wanted.Files is not { } files || files.SequenceEqual(answer.Attachments.Select(file => file.Name), StringComparer.Ordinal);

    private static string? Describe(ScriptStep.Answer? wanted)
    {
        return wanted is null ? null
            : $"{(wanted.Text.Match == TextMatch.Exact ? "" : $"{wanted.Text.Word} ")}\"{wanted.Text.Text}\"{(wanted.Files is { } files ? $" with files {string.Join(", ", files)}" : "")}";
    }

    private static string? Describe(OutgoingMessage? answer, bool withFiles)
    {
        return answer is null ? null : $"\"{answer.Message}\"{(withFiles ? $" with files {string.Join(", ", answer.Attachments.Select(file => file.Name))}" : "")}";
    }

    private static int? FirstDifference(string left, string right)
    {
        int same = left.AsSpan().CommonPrefixLength(right);
        return same == left.Length && same == right.Length ? null : same;
    }
}

/// <summary>How a replay of a <see cref="ConversationScript"/> went.</summary>
/// <param name="Script">The script's name.</param>
/// <param name="Differences">What was answered otherwise, in order; empty when everything is as the script says.</param>
public sealed record ConversationResult(string Script, IReadOnlyList<ConversationDifference> Differences)
{
    /// <summary>Whether every answer is as the script says, and there is no other.</summary>
    public bool IsSame => Differences.Count == 0;

    /// <summary>Fails a test that has differences, and says which.</summary>
    /// <exception cref="Xunit.Sdk.XunitException">There are differences.</exception>
    public void Verify() => Xunit.Assert.True(IsSame, ToString());

    /// <summary>Every difference, for people.</summary>
    public override string ToString() => IsSame
        ? $"'{Script}' is answered as it says."
        : string.Create(CultureInfo.InvariantCulture, $"'{Script}' is answered otherwise in {Differences.Count} {(Differences.Count == 1 ? "place" : "places")}.\n{string.Join('\n', Differences)}");
}

/// <summary>One answer that is not as a script says.</summary>
/// <param name="Step">The number of the step, from 1; for an answer too many the last one before it.</param>
/// <param name="Said">What it answers.</param>
/// <param name="Expected">What the script says; null for an answer too many.</param>
/// <param name="Actual">What was answered; null for an answer that is missing.</param>
public sealed record ConversationDifference(int Step, string Said, string? Expected, string? Actual)
{
    /// <summary>Where two texts that should be equal begin to differ, in UTF-16 units from 0; null where that says nothing.</summary>
    public int? FirstAt { get; init; }

    /// <summary>The difference, for people.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"Step {Step}, to \"{Said}\":\n  expected: {Expected ?? "no more answers"}\n  answered: {Actual ?? "nothing"}{(FirstAt is { } at ? $"\n  they differ from character {at + 1} on" : "")}");
}
