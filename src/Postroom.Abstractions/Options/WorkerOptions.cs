namespace Postroom;

/// <summary>How one worker pool runs handlers. Bound from <c>workers.{pool}</c>.</summary>
public sealed record WorkerOptions
{
    /// <summary>The queue it serves. Unless set: the pool's own name, and <c>in</c> for the pool <c>router</c>; never empty after binding.</summary>
    public string Queue { get; set; } = "";

    /// <summary>How many messages are handled at a time. 1 to 1,024; 8 unless set.</summary>
    public int Parallelism { get; set; } = 8;

    /// <summary>How long a handler may run before its token is cancelled. <see cref="Timeout.InfiniteTimeSpan"/> never cancels it; 30 seconds unless set.</summary>
    public TimeSpan HandlerTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether a timed-out attempt is tried again; otherwise the message is Failed (timeout). True unless set.</summary>
    public bool RetryTimeouts { get; set; } = true;

    /// <summary>How long a cancelled handler may take to return before its slot is replaced. 5 seconds unless set.</summary>
    public TimeSpan CancelGrace { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How many messages are leased ahead. 1 to 1,024; null, the default, is as many as <see cref="Parallelism"/>.</summary>
    public int? Prefetch { get; set; }

    /// <summary>How many settlements may await their commit. 1 to 65,536; 1,024 unless set.</summary>
    public int SettleWindow { get; set; } = 1_024;

    /// <summary>More worker deaths than this within <see cref="CrashWindow"/> mark the pool failed. 1 to 1,000; 5 unless set.</summary>
    public int CrashLimit { get; set; } = 5;

    /// <summary>The time over which deaths are counted. 5 minutes unless set.</summary>
    public TimeSpan CrashWindow { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>The waits before a dead worker is started again. From 1 to 60 seconds, doubling, unless set.</summary>
    public BackoffOptions RestartBackoff { get; set; } = new() { Max = TimeSpan.FromSeconds(60) };
}
