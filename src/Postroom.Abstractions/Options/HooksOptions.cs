namespace Postroom;

/// <summary>How dispatch hooks run. Bound from <c>hooks</c>.</summary>
public sealed record HooksOptions
{
    /// <summary>How long one call of a hook may take. At least 1 ms; 2 seconds unless set.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);
}
