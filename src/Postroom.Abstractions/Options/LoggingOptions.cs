namespace Postroom;

/// <summary>What is logged and how. Bound from <c>logging</c>.</summary>
public sealed record LoggingOptions
{
    /// <summary>The lowest level that is written: trace, debug, info, warning, error, critical or none. Info unless set.</summary>
    public Microsoft.Extensions.Logging.LogLevel Level { get; set; } = Microsoft.Extensions.Logging.LogLevel.Information;

    /// <summary>How a line is written. As text unless set.</summary>
    public LogFormat Format { get; set; }

    /// <summary>Regular expressions; whatever they match is masked. None unless set; at most 64.</summary>
    public IReadOnlyList<string> Redact { get; set; } = [];
}
