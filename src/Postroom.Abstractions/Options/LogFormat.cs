namespace Postroom;

/// <summary>How a log line is written.</summary>
public enum LogFormat
{
    /// <summary>For people.</summary>
    Text,

    /// <summary>For people at a terminal.</summary>
    Color,

    /// <summary>For programs: one object a line.</summary>
    Json,
}
