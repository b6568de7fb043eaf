using Postroom.Configuration;

namespace Postroom.Host;

/// <summary>
/// A program whose start is refused and that does not catch it ends as the command line does: with the message on standard error and the exit
/// code of CL-4. One that catches it sees nothing of this.
/// </summary>
internal static class UncaughtStart
{
    private static readonly Lock Gate = new();
    private static (Exception Refusal, int? Code)? _last;
    private static bool _listens;

    /// <summary>Remembers a refusal, in case nobody catches it. A fault of the program itself is left to the platform, which shows where it is.</summary>
    /// <param name="refusal">What the start throws.</param>
    /// <param name="code">The exit code; null for the one the command line has for it.</param>
    public static void Note(Exception refusal, int? code = null)
    {
        lock (Gate)
        {
            _last = code is not null || IsForPeople(refusal) ? (refusal, code) : null;
            if (!_listens && _last is not null)
            {
                _listens = true;
                AppDomain.CurrentDomain.UnhandledException += static (_, end) => End(end.ExceptionObject, Environment.Exit);
            }
        }
    }

    /// <summary>Tells an exception that nobody caught and ends the process, when it is the refused start; anything else goes its way.</summary>
    internal static void End(object uncaught, Action<int> exit)
    {
        Exception? error = uncaught as Exception;
        while (error is AggregateException { InnerExceptions: [var only] })
        {
            error = only; // of a program that waits with Wait or Result
        }

        (Exception Refusal, int? Code)? last;
        lock (Gate)
        {
            last = _last;
        }

        if (error is not null && last is { } noted && ReferenceEquals(error, noted.Refusal))
        {
            int code = PostroomCommand.ReportAsync(error).GetAwaiter().GetResult();
            exit(noted.Code ?? code);
        }
    }

    private static bool IsForPeople(Exception refusal) => refusal is ConfigurationException or StoreOpenException or InvalidOperationException { InnerException: IOException };
}
