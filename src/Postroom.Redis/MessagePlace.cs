using System.Globalization;

namespace Postroom.Redis;

/// <summary>Where a message is and how far it came: the value of its field in <see cref="RedisKeys.Ids"/>. The script reads its first character and writes the first two parts.</summary>
/// <param name="State">Pending for everything open: who has it is the owner's memory.</param>
/// <param name="Seq">Its number in its partition's stream.</param>
/// <param name="Partition">The partition.</param>
/// <param name="Attempt">Attempts that began and were not given back.</param>
/// <param name="DispatchedAt">When the last attempt began; null for never.</param>
/// <param name="FinishedAt">When it ended; null while it is open.</param>
/// <param name="HasExtra">Whether there is more to know, under <see cref="RedisKeys.Extra"/>.</param>
/// <param name="Queue">Its queue.</param>
internal sealed record MessagePlace(
    MessageState State, long Seq, int Partition, int Attempt, DateTimeOffset? DispatchedAt, DateTimeOffset? FinishedAt, bool HasExtra, string Queue)
{
    /// <summary>What follows state and number for a new message.</summary>
    public static string NewTail(int partition, string queue) => string.Create(CultureInfo.InvariantCulture, $"{partition}|0|0|0|0|{queue}");

    /// <summary>Reads the value of a field.</summary>
    public static MessagePlace Parse(string text)
    {
        string[] parts = text.Split('|', 8);
        return parts.Length == 8
            ? new MessagePlace(
                (MessageState)Number(parts[0]), Number(parts[1]), (int)Number(parts[2]), (int)Number(parts[3]), Instant(parts[4]), Instant(parts[5]), parts[6] == "1", parts[7])
            : throw new InvalidDataException("The place of a message has not eight parts.");
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{(int)State}|{Seq}|{Partition}|{Attempt}|{DispatchedAt?.ToUnixTimeMilliseconds() ?? 0}|{FinishedAt?.ToUnixTimeMilliseconds() ?? 0}|{(HasExtra ? 1 : 0)}|{Queue}");

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static DateTimeOffset? Instant(string text) => Number(text) is not 0 and var milliseconds ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : null;
}
