using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Postroom.Scripts;

/// <summary>A conversation as a file: JSON of version 1, a list of steps (EU-9). Reading says which step is wrong, and how.</summary>
/// <param name="Steps">What is said and answered, in order.</param>
internal sealed record ScriptFile(IReadOnlyList<ScriptStep> Steps)
{
    /// <summary>The version that is written and read.</summary>
    public const int Version = 1;

    /// <summary>The most steps.</summary>
    public const int MaxSteps = 10_000;

    /// <summary>The largest file.</summary>
    public const int MaxBytes = 64 << 20;

    private const string Form = """Write {"version": 1, "steps": [{"say": "…"}, {"answer": "…"}]}.""";

    private static readonly JsonWriterOptions Readable = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 32, AllowDuplicateProperties = false, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>What was left out of a recording; null for nothing.</summary>
    public string? Note { get; init; }

    /// <summary>The file's bytes.</summary>
    public byte[] Write()
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Readable))
        {
            json.WriteStartObject();
            json.WriteNumber("version", Version);
            if (Note is not null)
            {
                json.WriteString("note", Note);
            }

            json.WriteStartArray("steps");
            foreach (ScriptStep step in Steps)
            {
                json.WriteStartObject();
                Write(json, step);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return [.. buffer.WrittenSpan, (byte)'\n'];
    }

    /// <summary>Reads a file.</summary>
    /// <param name="utf8">Its bytes.</param>
    /// <exception cref="FormatException">It is no such file; the message says where and what to do.</exception>
    public static ScriptFile Parse(ReadOnlyMemory<byte> utf8)
    {
        if (utf8.Length > MaxBytes)
        {
            throw new FormatException($"The file has {utf8.Length} bytes, and may have {MaxBytes}. Save a shorter conversation.");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8, Strict);
            return Read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new FormatException($"It is no JSON: {e.Message} {Form}", e);
        }
    }

    private static ScriptFile Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("version", out JsonElement version) || version.ValueKind != JsonValueKind.Number)
        {
            throw new FormatException($"It has no version. {Form}");
        }

        if (!version.TryGetInt32(out int number) || number != Version)
        {
            throw new FormatException($"It is of version {version.GetRawText()}, and this program reads version {Version}. Save the conversation again.");
        }

        if (!root.TryGetProperty("steps", out JsonElement steps) || steps.ValueKind != JsonValueKind.Array || steps.GetArrayLength() is 0 or > MaxSteps)
        {
            throw new FormatException($"It has no list 'steps' of 1 to {MaxSteps}. {Form}");
        }

        List<ScriptStep> read = [];
        foreach (JsonElement step in steps.EnumerateArray())
        {
            try
            {
                read.Add(ReadStep(step));
            }
            catch (FormatException e)
            {
                throw new FormatException($"Step {read.Count + 1}: {e.Message}", e);
            }
        }

        return read[0] is ScriptStep.Say ? new ScriptFile(read) : throw new FormatException("Step 1 is an answer to nothing. Begin with a step 'say'.");
    }

    private static ScriptStep ReadStep(JsonElement step)
    {
        JsonProperty[] members = step.ValueKind == JsonValueKind.Object ? [.. step.EnumerateObject()] : [];
        return members is [{ Name: "say" or "answer" } one]
            ? one.Name == "say" ? ReadSay(one.Value) : ReadAnswer(one.Value)
            : throw new FormatException("""a step is {"say": …} or {"answer": …}.""");
    }

    private static ScriptStep.Say ReadSay(JsonElement say)
    {
        if (say.ValueKind == JsonValueKind.String)
        {
            return new ScriptStep.Say("chat", say.GetString()!);
        }

        Dictionary<string, JsonElement> members = MembersOf(say, "say", "type", "text", "metadata", "attachments");
        return new ScriptStep.Say(members.TryGetValue("type", out JsonElement type) ? TextOf(type, "type") : "chat", members.TryGetValue("text", out JsonElement text) ? TextOf(text, "text") : "")
        {
            Metadata = members.TryGetValue("metadata", out JsonElement metadata) ? ObjectOf(metadata, "metadata").ToDictionary(one => one.Name, one => one.Value.Clone()) : [],
            Attachments = members.TryGetValue("attachments", out JsonElement files) ? ObjectOf(files, "attachments").ToDictionary(one => one.Name, one => TextOf(one.Value, one.Name)) : [],
        };
    }

    private static ScriptStep.Answer ReadAnswer(JsonElement answer)
    {
        if (answer.ValueKind == JsonValueKind.String)
        {
            return new ScriptStep.Answer(new ExpectedText(TextMatch.Exact, answer.GetString()!));
        }

        Dictionary<string, JsonElement> members = MembersOf(answer, "answer", "exact", "contains", "like", "pattern", "files");
        string[] given = [.. members.Keys.Where(name => name != "files")];
        if (given.Length != 1)
        {
            throw new FormatException("'answer' is a text, or has one of exact, contains, like and pattern.");
        }

        TextMatch match = given[0] switch
        {
            "contains" => TextMatch.Contains,
            "like" => TextMatch.Like,
            "pattern" => TextMatch.Pattern,
            _ => TextMatch.Exact,
        };
        return new ScriptStep.Answer(new ExpectedText(match, TextOf(members[given[0]], given[0])))
        {
            Files = !members.TryGetValue("files", out JsonElement files) ? null
                : files.ValueKind == JsonValueKind.Array ? [.. files.EnumerateArray().Select(file => TextOf(file, "files"))]
                : throw new FormatException("'files' is a list of names."),
        };
    }

    private static Dictionary<string, JsonElement> MembersOf(JsonElement value, string name, params string[] known)
    {
        Dictionary<string, JsonElement> members = ObjectOf(value, name).ToDictionary(one => one.Name, one => one.Value);
        return members.Keys.FirstOrDefault(key => !known.Contains(key)) is { } unknown
            ? throw new FormatException($"'{Names.Shorten(unknown)}' is unknown; '{name}' may have {string.Join(", ", known)}.")
            : members;
    }

    private static JsonElement.ObjectEnumerator ObjectOf(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw new FormatException($"'{Names.Shorten(name)}' must be an object{(name is "say" or "answer" ? " or a text" : "")}.");

    private static string TextOf(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new FormatException($"'{Names.Shorten(name)}' must be a text.");

    private static void Write(Utf8JsonWriter json, ScriptStep step)
    {
        switch (step)
        {
            case ScriptStep.Say { Type: "chat", Metadata.Count: 0, Attachments.Count: 0 } say:
                json.WriteString("say", say.Text);
                break;
            case ScriptStep.Say say:
                WriteWhole(json, say);
                break;
            case ScriptStep.Answer { Files: null, Text.Match: TextMatch.Exact } answer:
                json.WriteString("answer", answer.Text.Text);
                break;
            case ScriptStep.Answer answer:
                json.WriteStartObject("answer");
                json.WriteString(answer.Text.Word, answer.Text.Text);
                if (answer.Files is { } files)
                {
                    json.WriteStartArray("files");
                    foreach (string file in files)
                    {
                        json.WriteStringValue(file);
                    }

                    json.WriteEndArray();
                }

                json.WriteEndObject();
                break;
        }
    }

    private static void WriteWhole(Utf8JsonWriter json, ScriptStep.Say say)
    {
        json.WriteStartObject("say");
        json.WriteString("type", say.Type);
        json.WriteString("text", say.Text);
        if (say.Metadata.Count > 0)
        {
            json.WriteStartObject("metadata");
            foreach ((string key, JsonElement value) in say.Metadata)
            {
                json.WritePropertyName(key);
                value.WriteTo(json);
            }

            json.WriteEndObject();
        }

        if (say.Attachments.Count > 0)
        {
            json.WriteStartObject("attachments");
            foreach ((string name, string base64) in say.Attachments)
            {
                json.WriteString(name, base64);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
