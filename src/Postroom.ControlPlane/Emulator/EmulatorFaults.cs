using System.Globalization;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>What goes wrong on purpose in a conversation of the web chat (EU-8). Each count is used up by one send or one input; a delay stays.</summary>
internal sealed record EmulatorFaults
{
    /// <summary>The longest delay: below the time that a send has.</summary>
    public static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(20);

    /// <summary>The longest wait of an answer 429.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);

    /// <summary>The most of each kind.</summary>
    public const int MostTimes = 100;

    /// <summary>The statuses that <see cref="ServerError"/> may have.</summary>
    public static readonly IReadOnlyList<int> Statuses = [500, 502, 503, 504];

    /// <summary>Each answer is shown so much later. 0 to 20 s; 0 unless set.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>So many inputs are delivered to the handler twice, under one number of the channel.</summary>
    public int Duplicate { get; init; }

    /// <summary>So many inputs are held back for three seconds, so that what is written meanwhile overtakes them.</summary>
    public int Reorder { get; init; }

    /// <summary>So many sends are answered 429.</summary>
    public int RateLimited { get; init; }

    /// <summary>How long an answer 429 asks to wait. 1 s to 1 h; 5 s unless set.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>So many sends are answered with <see cref="Status"/>.</summary>
    public int ServerError { get; init; }

    /// <summary>500, which is about the message, or 502, 503, 504, which stop the lane; 500 unless set.</summary>
    public int Status { get; init; } = 500;

    /// <summary>So many sends arrive, and their answer is lost.</summary>
    public int LostAnswer { get; init; }

    /// <summary>So many sends are refused.</summary>
    public int Refused { get; init; }

    /// <summary>What is out of bounds, with the setting, the limit and the remedy; null for nothing.</summary>
    public string? Problem()
    {
        if (Delay < TimeSpan.Zero || Delay > LongestDelay)
        {
            return $"delay is {Duration.Format(Delay)}; it must be from 0 to {Duration.Format(LongestDelay)}, since a longer one is a send without an answer. Use lostAnswer for that.";
        }

        if (Wait < TimeSpan.FromSeconds(1) || Wait > LongestWait)
        {
            return $"wait is {Duration.Format(Wait)}; it must be from 1s to {Duration.Format(LongestWait)}.";
        }

        if (!Statuses.Contains(Status))
        {
            return $"status is {Status.ToString(CultureInfo.InvariantCulture)}; it must be one of {string.Join(", ", Statuses)}.";
        }

        (string Name, int Times)[] counts = [("duplicate", Duplicate), ("reorder", Reorder), ("rateLimited", RateLimited), ("serverError", ServerError), ("lostAnswer", LostAnswer), ("refused", Refused)];
        foreach ((string name, int times) in counts)
        {
            if (times is < 0 or > MostTimes)
            {
                return $"{name} is {times.ToString(CultureInfo.InvariantCulture)}; it is how often, from 0 to {MostTimes}.";
            }
        }

        return null;
    }

    /// <summary>Reads the section <c>faults</c>.</summary>
    public static EmulatorFaults Read(SectionReader reader) => new()
    {
        Delay = reader.ReadDuration("delay", TimeSpan.Zero, TimeSpan.Zero, LongestDelay),
        Duplicate = reader.ReadCount("duplicate", 0, 0, MostTimes),
        Reorder = reader.ReadCount("reorder", 0, 0, MostTimes),
        RateLimited = reader.ReadCount("rateLimited", 0, 0, MostTimes),
        Wait = reader.ReadDuration("wait", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1), LongestWait),
        ServerError = reader.ReadCount("serverError", 0, 0, MostTimes),
        Status = reader.ReadWord("status", 500, [.. Statuses.Select(status => (status.ToString(CultureInfo.InvariantCulture), status))]),
        LostAnswer = reader.ReadCount("lostAnswer", 0, 0, MostTimes),
        Refused = reader.ReadCount("refused", 0, 0, MostTimes),
    };
}
