using Postroom.Crash;

// dotnet run --project tests/Postroom.Crash -c Release -- --kills 300 --seed 77
CampaignOptions options;
try
{
    options = CampaignOptions.Parse(args);
}
catch (Exception e) when (e is ArgumentException or FormatException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 2;
}

if (options.PowerCuts is not null)
{
    PowerCutReport cuts = await PowerCuts.RunAsync(options, Console.Error.WriteLine, CancellationToken.None);
    Console.WriteLine(cuts);
    return cuts.Good ? 0 : 1;
}

if (options.Restarts is not null)
{
    RestartReport restarts = await RestartCampaign.RunAsync(options, Console.Error.WriteLine, CancellationToken.None);
    foreach (string problem in restarts.Problems)
    {
        await Console.Error.WriteLineAsync(problem);
    }

    if (restarts.Good && !options.Keep)
    {
        Directory.Delete(options.Folder, recursive: true);
    }

    Console.WriteLine(restarts);
    return restarts.Good ? 0 : 1;
}

CampaignReport report = await Campaign.RunAsync(options, Console.Error.WriteLine, CancellationToken.None);
foreach (Violation violation in report.Result.Violations.Take(20))
{
    await Console.Error.WriteLineAsync($"{violation.Invariant}: {violation.Text}");
}

if (!report.Good)
{
    await Console.Error.WriteLineAsync($"Kept in {options.Folder}: store, ledger.txt, last-lines.txt, plan.txt, violations.txt. The same plan again: --seed {options.Seed} --kills {options.Kills}");
}
else if (!options.Keep)
{
    Directory.Delete(options.Folder, recursive: true);
}

Console.WriteLine(report);
return report.Good ? 0 : 1;
