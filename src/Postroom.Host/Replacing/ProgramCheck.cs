using System.Diagnostics;
using System.Globalization;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>Looks whether the program that would take this one's place would start (SPEC RS-4). Changes nothing.</summary>
/// <param name="line">How this process was started.</param>
/// <param name="arguments">Its options; null for a program of one's own, which is asked by <see cref="Variable"/> with the words it was started with.</param>
internal sealed class ProgramCheck(StartLine line, HostArguments? arguments)
{
    /// <summary>Asks a program of one's own, by the version of the store's tables, to look at its configuration and to end there.</summary>
    public const string Variable = "POSTROOM_PREFLIGHT";

    /// <summary>What such a program says when all is well.</summary>
    public const string Answer = "postroom: the configuration is valid";

    private const int MostLines = 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private string Hand => arguments is null ? $"{Variable}=1" : "'check --preflight'";

    /// <summary>Each problem with what to do; empty when all is well.</summary>
    public async Task<IReadOnlyList<string>> RunAsync(CancellationToken cancellationToken)
    {
        List<string> problems = [.. line.Files.Select((file, number) => ProblemOf(file, executed: number == 0)).OfType<string>()];
        return problems.Count > 0 ? problems : await AskAsync(cancellationToken);
    }

    /// <summary>Why a file must not or cannot be run; null when it may.</summary>
    internal static string? ProblemOf(string file, bool executed)
    {
        if (!File.Exists(file))
        {
            return $"The program '{file}' does not exist. Put the release there before the restart.";
        }

        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        string target = File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file;
        if ((File.GetUnixFileMode(target) & UnixFileMode.OtherWrite) != 0)
        {
            return $"The program '{target}' can be written by every user of this machine, so that anybody could have it run. Take that right away (chmod o-w).";
        }

        if (OperatingSystem.IsLinux() && OwnerOf(target) is { } owner && owner != 0 && owner != UnixProcess.User)
        {
            return string.Create(CultureInfo.InvariantCulture, $"The program '{target}' belongs to user {owner}, and this process runs as {UnixProcess.User}. It must belong to that user or to root (chown).");
        }

        return executed && !UnixProcess.MayExecute(target) ? $"The program '{target}' cannot be executed. Give it that right (chmod +x)." : null;
    }

    private static unsafe uint? OwnerOf(string file)
    {
        NativeMethods.StatxResult found;
        return NativeMethods.Statx(NativeMethods.RelativeToCurrentDirectory, file, 0, NativeMethods.BasicStatistics, &found) == 0 ? found.Owner : null;
    }

    /// <summary>Has the program itself look at the configuration and at the version of the store.</summary>
    private async Task<IReadOnlyList<string>> AskAsync(CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new(line.Program) { RedirectStandardError = true, RedirectStandardOutput = true, RedirectStandardInput = true, WorkingDirectory = line.Folder };
        string schema = SqliteStore.SchemaVersion.ToString(CultureInfo.InvariantCulture);
        IEnumerable<string> words = arguments is null ? line.Words : [.. line.Words.Take(line.Own), "check", "--preflight", "--schema", schema, .. arguments.SettingWords()];
        foreach (string word in words.Skip(1))
        {
            start.ArgumentList.Add(word);
        }

        start.Environment.Clear();
        foreach ((string name, string value) in line.Environment)
        {
            start.Environment[name] = value;
        }

        if (arguments is null)
        {
            start.Environment[Variable] = schema;
        }

        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        Process child;
        try
        {
            child = Process.Start(start)!;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            return [$"The program '{line.Program}' cannot be run: {e.Message}"];
        }

        using (child)
        {
            child.StandardInput.Close();
            Task<string> output = child.StandardOutput.ReadToEndAsync(CancellationToken.None);
            Task<string> errors = child.StandardError.ReadToEndAsync(CancellationToken.None);
            try
            {
                await child.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                child.Kill();
                cancellationToken.ThrowIfCancellationRequested();
                return [$"The new program did not check the configuration within {Duration.Format(Limit)} ({Hand}). Run it by hand to see why."];
            }

            string said = await output;
            if (child.ExitCode == ExitCodes.Done && arguments is null && !said.Contains(Answer, StringComparison.Ordinal))
            {
                return [$"The new program ended by itself, without starting a PostOffice with these words ({Hand}). Put a program there that starts one, or run it by hand to see what it does."];
            }

            string[] lines = [.. (await errors).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(MostLines)];
            return child.ExitCode == ExitCodes.Done ? []
                : lines.Length > 0 ? lines
                : [$"The new program's check ended with code {child.ExitCode} and said nothing ({Hand}). Run it by hand to see why."];
        }
    }
}
