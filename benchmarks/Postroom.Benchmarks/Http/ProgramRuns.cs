using System.Text.Json;
using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Runtime;

namespace Postroom.Benchmarks.Http;

/// <summary>Runs of whole programs: how long they take to be ready, and what they cost while nothing happens.</summary>
internal sealed class ProgramRuns(Workspace workspace, Programs programs)
{
    /// <summary>The program on a store with so many waiting messages, until <c>/health/ready</c> says so. Its handler answers them from then on.</summary>
    public async Task<Sample> StartPostroomAsync(int waiting)
    {
        using Folder folder = waiting == 0 ? workspace.NewFolder() : await ChatsAsync(waiting);
        await using RunningProgram program = await PostroomAsync(folder);
        return Started(program);
    }

    /// <summary>A process with Kestrel and one endpoint.</summary>
    public async Task<Sample> StartBareAsync()
    {
        await using RunningProgram program = await BareAsync();
        return Started(program);
    }

    /// <summary>The program with nothing to do.</summary>
    public async Task<Sample> IdlePostroomAsync(TimeSpan duration)
    {
        using Folder folder = workspace.NewFolder();
        await using RunningProgram program = await PostroomAsync(folder);
        return await IdleAsync(program, duration);
    }

    /// <summary>Kestrel with nothing to do.</summary>
    public async Task<Sample> IdleBareAsync(TimeSpan duration)
    {
        await using RunningProgram program = await BareAsync();
        return await IdleAsync(program, duration);
    }

    private static Sample Started(RunningProgram program) => new([new(Metric.Milliseconds, program.Ready.TotalMilliseconds)]);

    /// <summary>Waits; counts wake-ups over the second half, when the start has had its time.</summary>
    private static async Task<Sample> IdleAsync(RunningProgram program, TimeSpan duration)
    {
        TimeSpan half = duration / 2;
        await Task.Delay(half);
        Dictionary<string, double> before = Proc.VoluntarySwitches(program.Id);
        await Task.Delay(half);
        Dictionary<string, double> after = Proc.VoluntarySwitches(program.Id);
        double wakeUps = after.Sum(thread => thread.Value - before.GetValueOrDefault(thread.Key));
        return new Sample([new(Metric.WakeUpsPerSecond, wakeUps / half.TotalSeconds), new(Metric.Resident, Proc.ResidentMiB(program.Id) ?? double.NaN)]);
    }

    private async Task<RunningProgram> PostroomAsync(Folder folder)
    {
        ProgramForm form = await programs.GetAsync();
        return await RunningProgram.StartAsync(
            form.Postroom, url => ["run", .. WebhookHost.Settings(folder.Path, url).SelectMany(setting => new[] { "--set", setting })], "/health/ready");
    }

    private async Task<RunningProgram> BareAsync()
    {
        ProgramForm form = await programs.GetAsync();
        return await RunningProgram.StartAsync(form.Bare, url => [url], "/");
    }

    /// <summary>A store with messages of the web chat, which the program answers without any configuration.</summary>
    private Task<Folder> ChatsAsync(int messages) => workspace.CopyOfAsync($"chats {messages}", folder => StoreFiller.FillAsync(folder, messages, static number =>
    {
        using JsonDocument posted = JsonDocument.Parse(WebhookRequest.Body(number, "emulator"));
        Envelope envelope = Message.FromPayload(posted.RootElement).ToEnvelope("in", "emulator");
        return envelope with { Conversation = envelope.Conversation ?? envelope.Id.ToString() };
    }));
}
