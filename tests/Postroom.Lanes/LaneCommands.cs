using System.Globalization;

namespace Postroom.Lanes;

/// <summary>The commands; each ends with one line of report, and with exit code 0 when everything holds.</summary>
internal static class LaneCommands
{
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            return args.FirstOrDefault() switch
            {
                "steps" => await StepsAsync(),
                "kills" => await KillsAsync(args),
                "outage" => await OutageAsync(args),
                "rates" => await RatesAsync(args),
                "isolation" => await IsolationAsync(args),
                _ => throw new ArgumentException(
                    "Say what to prove: steps, kills [--kills N] [--messages N] [--seed S], outage [--messages N] [--seconds N], rates [--seconds N] [--latency MS], isolation [--messages N]."),
            };
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 2;
        }
    }

    /// <summary>A number behind its word; what is usual when it is not there.</summary>
    private static int Number(string[] args, string word, int usual)
    {
        int index = Array.IndexOf(args, word);
        return index < 0 ? usual
            : index + 1 < args.Length ? int.Parse(args[index + 1], CultureInfo.InvariantCulture)
            : throw new ArgumentException($"'{word}' needs a number.");
    }

    private static async Task<int> StepsAsync()
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;
        StepReport steps = await StepKills.RunAsync(Path.Combine(folder, "steps"), StepKills.All, Console.Error.WriteLine);
        StepReport parts = await PartKills.RunAsync(Path.Combine(folder, "parts"), Console.Error.WriteLine);
        return Report($"{steps}; {parts}", [.. steps.Problems, .. parts.Problems], folder);
    }

    private static async Task<int> KillsAsync(string[] args)
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;
        StepReport mail = await MailKills.RunAsync(Path.Combine(folder, "mail"), MailKills.All, Console.Error.WriteLine);
        RandomKillReport report = await RandomKills.RunAsync(Path.Combine(folder, "random"), Number(args, "--kills", 100), Number(args, "--messages", 2_000), Number(args, "--seed", 77), Console.Error.WriteLine);
        return Report($"{report}; mail: kills {mail.Kills} mails {mail.Calls} problems {mail.Problems.Count}", [.. mail.Problems, .. report.Problems], folder);
    }

    private static async Task<int> OutageAsync(string[] args)
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;
        TimeSpan each = TimeSpan.FromSeconds(Number(args, "--seconds", 10));
        OutageReport report = await Outage.RunAsync(folder, new OutageOptions { Messages = Number(args, "--messages", 10_000), Refused = each, Unavailable = each });
        return Report(report.ToString(), report.Problems, folder);
    }

    private static async Task<int> RatesAsync(string[] args)
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;
        IReadOnlyList<RateFigure> figures = await Rates.RunAsync(folder, Number(args, "--seconds", 20), TimeSpan.FromMilliseconds(Number(args, "--latency", 50)));
        string[] problems = [.. figures.Where(figure => !figure.Holds).Select(figure => $"Not at {RateFigure.Least:P0} without further 429s: {figure}")];
        return Report($"lane rates: {string.Join("; ", figures)}", problems, folder);
    }

    private static async Task<int> IsolationAsync(string[] args)
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;
        IsolationReport report = await Isolation.RunAsync(folder, Number(args, "--messages", 2_000));
        return Report(report.ToString(), report.Holds ? [] : ["A sick lane slows its neighbour."], folder);
    }

    private static int Report(string line, IReadOnlyList<string> problems, string folder)
    {
        foreach (string problem in problems.Take(20))
        {
            Console.Error.WriteLine(problem);
        }

        if (problems.Count == 0)
        {
            Directory.Delete(folder, recursive: true);
        }
        else
        {
            Console.Error.WriteLine($"Kept in {folder}.");
        }

        Console.WriteLine(line);
        return problems.Count == 0 ? 0 : 1;
    }
}
