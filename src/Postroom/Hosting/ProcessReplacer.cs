namespace Postroom.Hosting;

/// <summary>Replaces the process; the program's part of a restart. A runtime without one cannot be restarted.</summary>
internal interface IProcessReplacer
{
    /// <summary>Which way is gone with these settings; <see cref="RestartMode.Auto"/> never.</summary>
    RestartMode ModeFor(RestartOptions options);

    /// <summary>Whether sockets go on in the next program, so that intake goes on while this one drains.</summary>
    bool HandsSocketsOver(RestartMode mode);

    /// <summary>Looks whether the next program would start. Changes nothing.</summary>
    /// <param name="mode">The way that would be gone.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    /// <returns>Each problem with what to do; empty when all is well.</returns>
    Task<IReadOnlyList<string>> CheckAsync(RestartMode mode, CancellationToken cancellationToken);
}

/// <summary>What the program is to do once nothing is in work: stop the runtime for its replacement, and replace itself.</summary>
/// <param name="Mode">The way to go; never <see cref="RestartMode.Auto"/>.</param>
/// <param name="Statistics">What is known so far.</param>
/// <param name="Left">What is left of the time for work in flight.</param>
/// <param name="Recent">When restarts were asked for within the window, this one included.</param>
internal sealed record RestartOrder(RestartMode Mode, RestartStatistics Statistics, TimeSpan Left, IReadOnlyList<DateTimeOffset> Recent);

/// <summary>How this generation came to be.</summary>
internal sealed class RestartOrigin
{
    /// <summary>The generation; 1 for a start.</summary>
    public int Generation { get; init; } = 1;

    /// <summary>What the former generation knew of the restart; null for a start.</summary>
    public RestartStatistics? Statistics { get; init; }

    /// <summary>When restarts were asked for within the window.</summary>
    public IReadOnlyList<DateTimeOffset> Recent { get; init; } = [];

    /// <summary>The open file that holds the ownership of the store; null where it has to be taken.</summary>
    public System.Runtime.InteropServices.SafeHandle? Ownership { get; init; }

    /// <summary>Why sources begin paused after generations that ended too soon; null when none did so too often.</summary>
    public string? Distrust { get; set; }

    /// <summary>Generations in a row that ended too soon, as a sentence; null for none.</summary>
    public string? Bad { get; set; }
}
