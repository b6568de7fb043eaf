namespace Postroom.Configuration;

/// <summary>One thing wrong with the configuration, or one notice about it.</summary>
/// <param name="Key">The setting, such as <c>workers.orders.parallelism</c>; empty when a whole file is meant.</param>
/// <param name="Message">What is wrong, why, and what to do. Holds no secret.</param>
/// <param name="Origin">Where it was written.</param>
public sealed record ConfigurationProblem(string Key, string Message, SettingOrigin Origin)
{
    /// <summary>Whether it is only told, and does not keep the configuration from being used.</summary>
    public bool IsNotice { get; init; }

    /// <summary>The message and, in parentheses, where to look.</summary>
    public override string ToString() => $"{Message} [{Origin}]";
}
