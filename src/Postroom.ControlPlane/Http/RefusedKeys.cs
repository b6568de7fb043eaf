using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>What wrong keys leave behind (RELIABILITY T22): a count of each, a line of the log that they share, and a row of the audit once an address has shown too many. Safe for concurrent use.</summary>
/// <param name="runtime">Counts them.</param>
/// <param name="keys">Says whether the store is open, so that it can have a row.</param>
/// <param name="audit">Has the rows.</param>
/// <param name="clock">Lets them share a line.</param>
/// <param name="logger">Has the line.</param>
internal sealed partial class RefusedKeys(IRuntimeView runtime, ControlPlaneKeys keys, AuditTrail audit, TimeProvider clock, ILogger<RefusedKeys> logger)
{
    /// <summary>The action of the row.</summary>
    public const string Action = "access.blocked";

    // Rows are for people: one guesser gives one in a while, and thousands of them no flood.
    private readonly CallerRateLimiter _perAddress = new(1, TimeSpan.FromMinutes(10), clock, maxKeys: 10_000);
    private readonly CallerRateLimiter _rows = new(60, TimeSpan.FromHours(1), clock, maxKeys: 1);
    private readonly RefusalLog _lines = new(clock);

    /// <summary>Notes that somebody was refused who had shown something.</summary>
    /// <param name="context">The request.</param>
    /// <param name="check">What became of it; nothing is noted of an accepted one.</param>
    /// <param name="what"><c>key</c> or <c>code</c>.</param>
    public async ValueTask NoteAsync(HttpContext context, KeyCheck check, string what)
    {
        if (check is KeyCheck.Accepted)
        {
            return;
        }

        string address = KeyGate.AddressOf(context);
        bool tooMany = check is KeyCheck.TooManyFailures;
        runtime.CountRefused(tooMany ? "rate" : what);
        if (_lines.Next(what) is (_, { } unlogged))
        {
            LogRefused(what, address, tooMany ? "after too many wrong ones it was not looked at" : "it is not valid", unlogged);
        }

        if (tooMany && keys.AreOpen && _perAddress.Take(address) is null && _rows.Take("") is null)
        {
            await audit.WriteAsync(new AuditRow(new Caller("", "", address), Action, address) { Result = ProblemCode.RateLimited });
        }
    }

    [LoggerMessage(4030, LogLevel.Warning, "A {What} from {Address} was refused: {Reason} ({Unlogged} more since the last such line).")]
    private partial void LogRefused(string what, string address, string reason, long unlogged);
}
