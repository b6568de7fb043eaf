using System.Diagnostics;
using System.Globalization;

namespace Postroom.Benchmarks.Http;

/// <summary>Starts programs.</summary>
internal static class ChildProcess
{
    /// <summary>Starts this program again with other words and reads the figures it prints.</summary>
    /// <exception cref="InvalidOperationException">It failed, or printed something else.</exception>
    public static async Task<double[]> MeasureAsync(int figures, params string[] words)
    {
        using Process process = StartProgram(typeof(ChildProcess).Assembly.Location, words);
        string answer = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        string[] printed = answer.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return process.ExitCode == 0 && printed.Length == figures
            ? [.. printed.Select(word => double.Parse(word, CultureInfo.InvariantCulture))]
            : throw new InvalidOperationException($"'{words[0]}' ended with {process.ExitCode}: {answer}");
    }

    /// <summary>Starts a program that is a .NET assembly.</summary>
    public static Process StartProgram(string assembly, params string[] words)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
        start.ArgumentList.Add(assembly);
        foreach (string word in words)
        {
            start.ArgumentList.Add(word);
        }

        return Process.Start(start)!;
    }
}
