using System.Diagnostics;

namespace Postroom.Crash;

/// <summary>Starts tools and waits for them.</summary>
public static class Shell
{
    /// <summary>Starts a program with its output redirected.</summary>
    public static Process Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        ProcessStartInfo start = new(program) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    /// <summary>Runs a program to its end; its output, and its exit code.</summary>
    public static async Task<(int Code, string Output)> TryRunAsync(string program, params string[] arguments)
    {
        using Process process = Start(program, arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output + await errors);
    }

    /// <summary>Runs a program that has to succeed; its output.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        (int code, string output) = await TryRunAsync(program, arguments);
        return code == 0 ? output.Trim() : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {code}: {output}");
    }
}
