using System.Diagnostics;

namespace Postroom.Benchmarks.Http;

/// <summary>Starts programs of this build.</summary>
internal static class ChildProcess
{
    /// <summary>Starts this program again with other words.</summary>
    public static Process Start(params string[] words) => StartProgram(typeof(ChildProcess).Assembly.Location, words);

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
