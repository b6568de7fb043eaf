namespace Postroom.Host;

/// <summary>Validates configuration and modules and lists what the program is composed of. Changes nothing.</summary>
internal static class CheckCommand
{
    public static async Task<int> RunAsync(HostArguments arguments, bool preflight, CancellationToken cancellationToken)
    {
        await using HostedRuntime host = HostedRuntime.Create(arguments, configure: null, standalone: true, output: null);
        CompositionReport report = await host.Runtime.CheckAsync(cancellationToken);
        if (preflight)
        {
            return ExitCodes.Done;
        }

        if (arguments.Json)
        {
            Output.Json(report, HostJson.Default.CompositionReport);
            return ExitCodes.Done;
        }

        Output.List("Configuration files", report.Files.Count > 0 ? report.Files : [$"none; there is no postroom.yaml, .yml or .json in {Environment.CurrentDirectory}"]);
        Output.List("Modules", report.Modules);
        Output.List("Queues", report.Queues);
        Output.List("Handlers", report.Handlers);
        Output.List("Middleware, outermost first", report.Middleware);
        Output.List("Worker pools", report.Pools);
        Output.List("Communicators", report.Communicators);
        Output.List("Notices", report.Notices);
        Console.WriteLine(report.Notices.Count == 0 ? "The configuration is valid." : "The configuration is valid; mind the notices above.");
        return ExitCodes.Done;
    }
}
