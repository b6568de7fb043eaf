using System.Diagnostics;
using System.Globalization;

namespace Postroom.Crash;

/// <summary>One run of a program that is made to be killed. Ended by its id.</summary>
public sealed class AppProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task _output;
    private readonly Task _errors;
    private readonly List<string> _lines = [];
    private readonly Lock _gate = new();

    private AppProcess(Process process)
    {
        _process = process;
        _output = CollectAsync(process.StandardOutput);
        _errors = CollectAsync(process.StandardError);
    }

    /// <summary>The process id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>How it ended.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>What it printed so far, both streams.</summary>
    public string Output
    {
        get
        {
            lock (_gate)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    /// <summary>Starts <c>dotnet {assembly} {arguments}</c>; what is no assembly is executed by itself.</summary>
    public static AppProcess Start(string assembly, params IEnumerable<string> arguments) => StartIn(null, assembly, arguments);

    /// <summary>Starts a program in a folder; null for this process's.</summary>
    public static AppProcess StartIn(string? folder, string assembly, IEnumerable<string> arguments)
    {
        // Dumps would fill the disk, and a debugger's or profiler's channel is one file per death.
        Dictionary<string, string> environment = new() { ["DOTNET_DbgEnableMiniDump"] = "0", ["DOTNET_EnableDiagnostics"] = "0", ["DOTNET_TieredPGO"] = "0" };
        string[] program = assembly.EndsWith(".dll", StringComparison.Ordinal) ? ["dotnet", assembly] : [assembly];
        return new AppProcess(folder is null
            ? Shell.Start(program[0], [.. program[1..], .. arguments], environment)
            : Shell.Start("env", ["-C", folder, .. program, .. arguments], environment));
    }

    /// <summary>SIGKILL, and waits until the kernel has taken the process away.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await WaitAsync();
    }

    /// <summary>Any signal.</summary>
    public Task SignalAsync(string name) => Shell.TryRunAsync("kill", $"-{name}", Id.ToString(CultureInfo.InvariantCulture));

    /// <summary>Waits for its end; the exit code.</summary>
    public async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync();
        await Task.WhenAll(_output, _errors);
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }

    private async Task CollectAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_gate)
            {
                _lines.Add(line);
                if (_lines.Count > 2_000)
                {
                    _lines.RemoveRange(0, 1_000);
                }
            }
        }
    }
}
