namespace Postroom;

/// <summary>How the runtime restarts itself. Bound from <c>restart</c>.</summary>
public sealed record RestartOptions
{
    /// <summary>What SIGHUP does. A restart unless set.</summary>
    public SighupAction OnSighup { get; set; }

    /// <summary>How the process replaces itself. By what the platform offers unless set.</summary>
    public RestartMode Mode { get; set; }

    /// <summary>How far SIGHUP, and requests that do not say, drain. Until nothing is in flight unless set.</summary>
    public RestartDrain Drain { get; set; }

    /// <summary>How long draining may take. 0 to 600 seconds; 25 seconds unless set.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(25);

    /// <summary>More restarts than this within <see cref="Window"/> are refused. 1 to 1,000; 5 unless set.</summary>
    public int MaxPerWindow { get; set; } = 5;

    /// <summary>The time over which restarts are counted. 10 minutes unless set.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>A generation that ends sooner marks its restart as bad. 30 seconds unless set.</summary>
    public TimeSpan MinUptime { get; set; } = TimeSpan.FromSeconds(30);
}
