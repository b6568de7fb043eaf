using System.Globalization;

namespace Postroom.CrashApp;

/// <summary>The words of the crash application; what it does not know belongs to the runtime.</summary>
internal sealed record CrashOptions
{
    public required string Mode { get; init; }

    /// <summary>The Unix socket of the ledger; null when nobody listens.</summary>
    public string? Ledger { get; init; }

    /// <summary>Messages per second that all publishers together aim at; 0 publishes nothing.</summary>
    public int Rate { get; init; }

    /// <summary>Decides which kind a message is; the same seed gives every message the same kind in every run.</summary>
    public int Seed { get; init; }

    /// <summary>Says EMPTY when no message is open any more.</summary>
    public bool UntilEmpty { get; init; }

    /// <summary>Payload types with a handler.</summary>
    public IReadOnlyList<string> Handle { get; init; } = [];

    /// <summary>Payload types to publish once at the start.</summary>
    public IReadOnlyList<string> Publish { get; init; } = [];

    /// <summary>How many messages to append.</summary>
    public int Count { get; init; }

    /// <summary>Waits for this file before the marked step.</summary>
    public string? Gate { get; init; }

    /// <summary>The store file of a migration.</summary>
    public string Store { get; init; } = "";

    /// <summary>Where the process ends itself; null to go on to the end.</summary>
    public string? DieAt { get; init; }

    /// <summary>A part of the conversation in which it ends itself.</summary>
    public string? Target { get; init; }

    /// <summary>Communicators to send through.</summary>
    public IReadOnlyList<string> Lanes { get; init; } = [];

    /// <summary>The address of the service that counts calls.</summary>
    public string Service { get; init; } = "";

    /// <summary>A text to send through each of <see cref="Lanes"/> once nothing is open any more; null for none.</summary>
    public string? Say { get; init; }

    /// <summary>Who gets the text of <see cref="Say"/>.</summary>
    public string To { get; init; } = "1001";

    /// <summary>How many lines the text has.</summary>
    public int LineCount { get; init; } = 1;

    /// <summary>Confirms every uncertain message, as a person does.</summary>
    public bool Confirm { get; init; }

    /// <summary>The file that <c>share</c> writes what it does to.</summary>
    public string Record { get; init; } = "";

    public static CrashOptions Parse(string[] args)
    {
        CrashOptions options = new() { Mode = args.Length > 0 ? args[0] : "" };
        for (int i = 1; i < args.Length; i++)
        {
            string value = i + 1 < args.Length ? args[i + 1] : "";
            options = args[i] switch
            {
                "--ledger" => options with { Ledger = value },
                "--rate" => options with { Rate = int.Parse(value, CultureInfo.InvariantCulture) },
                "--seed" => options with { Seed = int.Parse(value, CultureInfo.InvariantCulture) },
                "--count" => options with { Count = int.Parse(value, CultureInfo.InvariantCulture) },
                "--until-empty" => options with { UntilEmpty = true },
                "--handle" => options with { Handle = value.Split(',') },
                "--publish" => options with { Publish = value.Split(',') },
                "--store" => options with { Store = value },
                "--die-at" => options with { DieAt = value },
                "--target" => options with { Target = value },
                "--lanes" => options with { Lanes = value.Split(',') },
                "--service" => options with { Service = value },
                "--say" => options with { Say = value },
                "--to" => options with { To = value },
                "--lines" => options with { LineCount = int.Parse(value, CultureInfo.InvariantCulture) },
                "--confirm" => options with { Confirm = true },
                "--record" => options with { Record = value },
                "--gate" => options with { Gate = value },
                _ => options,
            };
        }

        return options;
    }
}
