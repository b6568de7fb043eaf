namespace Postroom.Host;

/// <summary>A program of one's own that was started to look at its configuration only (SPEC RS-4), by <see cref="ProgramCheck.Variable"/>.</summary>
internal static class Preflight
{
    /// <summary>Answers and ends the process, when that is all that was asked of it.</summary>
    /// <param name="arguments">The options.</param>
    /// <param name="configure">Registers what the program adds; null for nothing.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task AnswerAsync(HostArguments arguments, Action<IApplicationBuilder>? configure, CancellationToken cancellationToken)
    {
        if (Environment.GetEnvironmentVariable(ProgramCheck.Variable) is not { Length: > 0 } asked)
        {
            return;
        }

        int code;
        try
        {
            code = await CheckCommand.RunAsync(arguments, preflight: true, long.TryParse(asked, out long schema) ? schema : null, cancellationToken, configure ?? (static _ => { }));
        }
        catch (Exception e)
        {
            code = await PostroomCommand.ReportAsync(e);
        }

        if (code == ExitCodes.Done)
        {
            Console.WriteLine(ProgramCheck.Answer); // a program that ends by itself before it came here has not been asked
        }

        Environment.Exit(code);
    }
}
