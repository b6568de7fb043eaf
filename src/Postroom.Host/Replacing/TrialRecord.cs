using System.Text.Json;
using System.Text.Json.Serialization;
using Postroom.Configuration;
using Postroom.Hosting;

namespace Postroom.Host;

/// <summary>
/// Counts generations in a row that ended by themselves before they were ready or soon after (SPEC RS-13), in a file of the data directory: the store may be what does not
/// open. What is killed from outside writes nothing and does not count.
/// </summary>
internal sealed class TrialRecord : IDisposable
{
    /// <summary>So many bad generations in a row make the next one careful.</summary>
    public const int MostBad = 3;

    private readonly bool _replaced;
    private readonly Lock _gate = new();
    private string? _file;
    private TimeSpan _minUptime = new RestartOptions().MinUptime;
    private Trial _found = new();
    private long? _readyAt;
    private bool _ended;
    private ITimer? _timer;

    /// <summary>Begins to watch this generation.</summary>
    /// <param name="replaced">Whether a hot restart began it.</param>
    /// <param name="file">The file that the former generation used; null to find it in the configuration.</param>
    public TrialRecord(bool replaced, string? file)
    {
        (_replaced, _file) = (replaced, file);
        Read();
        AppDomain.CurrentDomain.UnhandledException += OnUnhandled;
        AppDomain.CurrentDomain.ProcessExit += OnExit;
    }

    /// <summary>Where bad generations are counted; null before the configuration is known.</summary>
    public string? File => _file;

    /// <summary>Whether this generation has to prove itself.</summary>
    private bool IsOnTrial => _replaced || _found.Bad > 0;

    /// <summary>Takes the settings, and tells the runtime of the generations before.</summary>
    public void Configure(ConfigurationSnapshot settings, RestartOrigin origin)
    {
        _file = Path.Combine(Path.GetFullPath(settings.Get<RuntimeOptions>("runtime").DataDirectory), "restart.json");
        _minUptime = settings.Get<RestartOptions>("restart").MinUptime;
        Read();
        if (_found.Bad > 0)
        {
            origin.Bad = $"{(_found.Bad == 1 ? "The generation before this one" : $"The {_found.Bad} generations before this one")} ended by {(_found.Bad == 1 ? "itself" : "themselves")} too soon, the last one because: {_found.Why}";
            origin.Distrust = _found.Bad >= MostBad
                ? $"Sources and schedules are paused: {_found.Bad} generations in a row ended by themselves before they were ready or within {Duration.Format(_minUptime)}, the last one because: {_found.Why} Mend that, and let them go on with POST /api/v1/runtime/resume."
                : null;
        }
    }

    /// <summary>It is ready; once it has been for long enough, the generations before are forgotten.</summary>
    public void Ready()
    {
        lock (_gate)
        {
            _readyAt = TimeProvider.System.GetTimestamp();
            if (IsOnTrial && !_ended)
            {
                _timer = TimeProvider.System.CreateTimer(_ => Forget(), null, _minUptime, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>It ends as somebody wants it to.</summary>
    public void EndWanted()
    {
        lock (_gate)
        {
            _ended = true;
        }
    }

    /// <summary>It ends by itself.</summary>
    /// <param name="why">A sentence.</param>
    public void EndBad(string why)
    {
        lock (_gate)
        {
            bool soon = _readyAt is not { } ready || TimeProvider.System.GetElapsedTime(ready) < _minUptime;
            if (_ended || !IsOnTrial || !soon || _file is null)
            {
                return;
            }

            _ended = true;
            try
            {
                Directory.CreateDirectory(Path.GetDirectoryName(_file)!);
                System.IO.File.WriteAllText(_file, JsonSerializer.Serialize(new Trial { Bad = _found.Bad + 1, Why = Names.Shorten(why, 500) }, TrialJson.Default.Trial));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A disk that takes nothing keeps it from being counted, and says so elsewhere.
            }
        }
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.UnhandledException -= OnUnhandled;
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        _timer?.Dispose();
    }

    /// <summary>The generations before are forgotten.</summary>
    internal void Forget()
    {
        lock (_gate)
        {
            if (_ended || _file is not { } file)
            {
                return;
            }

            try
            {
                System.IO.File.Delete(file);
                _found = new Trial();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Kept, so that the next generation is still careful; that the folder cannot be written is said by the store.
            }
        }
    }

    private void Read()
    {
        try
        {
            _found = _file is { } file && System.IO.File.Exists(file) ? JsonSerializer.Deserialize(System.IO.File.ReadAllText(file), TrialJson.Default.Trial) ?? new Trial() : new Trial();
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            _found = new Trial();
        }
    }

    private void OnUnhandled(object? sender, UnhandledExceptionEventArgs unhandled) => EndBad(unhandled.ExceptionObject is Exception e ? $"{e.GetType().Name}: {e.Message}" : "an exception nobody handled.");

    private void OnExit(object? sender, EventArgs ending) => EndBad("the process was ended from within (Environment.Exit).");
}

/// <summary>Generations in a row that ended too soon.</summary>
internal sealed record Trial
{
    public int Bad { get; init; }

    public string Why { get; init; } = "";
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Trial))]
internal sealed partial class TrialJson : JsonSerializerContext;
