using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Spectre.Console;

namespace Postroom.Host;

/// <summary>Prints tables for people and JSON for programs. Colours only on a terminal and without NO_COLOR.</summary>
internal static class Output
{
    private static readonly IAnsiConsole Screen = AnsiConsole.Create(new AnsiConsoleSettings
    {
        Ansi = Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? AnsiSupport.No : AnsiSupport.Detect,
        ColorSystem = Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
    });

    public static void Json<T>(T value, JsonTypeInfo<T> type)
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter writer = new(text, new JsonWriterOptions { Indented = type.Options.WriteIndented, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            JsonSerializer.Serialize(writer, value, type);
        }

        Console.WriteLine(Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length));
    }

    public static void List(string title, IReadOnlyList<string> items)
    {
        if (items.Count == 0)
        {
            return;
        }

        Console.WriteLine($"{title}:");
        foreach (string item in items)
        {
            Console.WriteLine($"  {item}");
        }
    }

    /// <summary>A table; cells are plain text, never markup.</summary>
    public static void Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        Table table = new() { Border = TableBorder.Simple };
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column)) { NoWrap = true });
        }

        foreach (IReadOnlyList<string> row in rows)
        {
            table.AddRow(row.Select(cell => (Spectre.Console.Rendering.IRenderable)new Text(cell)));
        }

        if (Console.IsOutputRedirected)
        {
            Screen.Profile.Width = 240;
        }

        Screen.Write(table);
    }

    /// <summary>A size for people, to three digits.</summary>
    public static string Size(long bytes)
    {
        string[] units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        string digits = value >= 100 ? "0" : value >= 10 ? "0.#" : "0.##";
        return $"{value.ToString(digits, System.Globalization.CultureInfo.InvariantCulture)} {units[unit]}";
    }

    public static string At(DateTimeOffset? at) => at is { } value ? value.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff", System.Globalization.CultureInfo.InvariantCulture) : "";
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, WriteIndented = true, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CompositionReport))]
[JsonSerializable(typeof(IReadOnlyList<Finding>))]
[JsonSerializable(typeof(ColdStatus))]
[JsonSerializable(typeof(IReadOnlyList<ColdQueue>))]
[JsonSerializable(typeof(PageDocument))]
[JsonSerializable(typeof(LinkView))]
[JsonSerializable(typeof(IReadOnlyList<SentOutcome>))]
internal sealed partial class HostJson : JsonSerializerContext;
