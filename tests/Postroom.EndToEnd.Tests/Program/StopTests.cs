using System.Text.Json;
using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>The program is told to stop.</summary>
[Collection(Processes.Name)]
public sealed class StopTests
{
    [Fact]
    public async Task Ac72_A_stop_under_load_loses_nothing_repeats_nothing_and_exits_0()
    {
        await using RealProgram program = new();
        program.Ledger.Note("START 1");
        await program.RunAppAsync("load", "--rate", "800", "--set", "runtime.drainTimeout=10s");
        await program.UntilAsync(() => Task.FromResult(program.Ledger.Stored > 500));

        (int code, TimeSpan time) = await program.StopAsync();
        await program.Ledger.ReadToEndAsync();
        program.Ledger.Note($"EXIT 1 {code}");
        Assert.Equal(0, code);
        Assert.InRange(time, TimeSpan.Zero, RealProgram.OnThisMachine(TimeSpan.FromSeconds(11)));

        program.Ledger.Note("START 2");
        Task<string> empty = program.Ledger.NextAsync("EMPTY");
        await program.RunAppAsync("load", "--until-empty");
        await empty.WaitAsync(TimeSpan.FromMinutes(1), RealProgram.Cancel);
        (code, _) = await program.StopAsync();
        await program.Ledger.ReadToEndAsync();
        program.Ledger.Note($"EXIT 2 {code}");
        CheckResult result = Checker.Check(program.Ledger.Read(), await JournalDump.ReadAsync(program.Store), bound: 0, drained: true);
        Assert.Empty(result.Violations);
        Assert.Equal(0, result.Duplicates);
    }

    [Fact]
    public async Task Ac72_A_receive_loop_ends_after_the_message_it_has_and_nothing_more_comes_in_meanwhile()
    {
        await using RealProgram program = new();
        string gate = Path.Combine(program.Folder, "gate");
        await program.RunAppAsync("receive", "--gate", gate);
        string first = await program.PostAsync("1072", "first");
        string second = await program.PostAsync("1072", "second");
        await program.UntilAsync(() => Task.FromResult(program.Process.Output.Contains("RECEIVED first", StringComparison.Ordinal)));

        Task<(int Code, TimeSpan Time)> stopping = program.StopAsync();
        await program.UntilAsync(async () =>
        {
            using HttpResponseMessage late = await program.SendAsync(new { sender = "1072", msg_type = "chat", raw_msg = "late", client_type = "emulator" });
            return late.StatusCode == System.Net.HttpStatusCode.ServiceUnavailable;
        });
        using (HttpResponseMessage ready = await program.Http.GetAsync(new Uri(program.Address, "health/ready"), RealProgram.Cancel))
        {
            Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        }

        await File.WriteAllTextAsync(gate, "", RealProgram.Cancel);
        await File.WriteAllTextAsync($"{gate}.next", "", RealProgram.Cancel);
        (int code, _) = await stopping;

        Assert.Equal(0, code);
        Assert.DoesNotContain("RECEIVED second", program.Process.Output, StringComparison.Ordinal);
        Assert.Equal("2", await program.SqlAsync($"select state from messages where id = x'{first.Replace("-", "", StringComparison.Ordinal)}'"));
        Assert.Equal("0", await program.SqlAsync($"select state from messages where id = x'{second.Replace("-", "", StringComparison.Ordinal)}'"));
    }

    [Fact]
    public async Task Ac72_A_stop_with_a_handler_that_hangs_exits_5_and_its_message_is_pending_again()
    {
        await using RealProgram program = new();
        await program.RunAppAsync("talk", "--set", "runtime.drainTimeout=2s", "--set", "runtime.cancelGrace=1s");
        Task<string> begun = program.Ledger.NextAsync("BEGIN hang");
        string id = await program.PostAsync("1072", "hang");
        await begun;

        (int code, TimeSpan time) = await program.StopAsync();

        Assert.Equal(5, code);
        Assert.InRange(time, TimeSpan.FromSeconds(1), RealProgram.OnThisMachine(TimeSpan.FromSeconds(3)));
        (int shown, string text) = await program.CommandAsync("journal", "show", id, "--json");
        Assert.Equal(0, shown);
        using JsonDocument json = JsonDocument.Parse(text);
        Assert.Contains(json.RootElement.GetProperty("message").GetProperty("state").GetString(), (string?[])["pending", "dispatched"]);

        await program.RunAsync();
        await program.UntilAsync(id, "acked");
        Assert.Equal(["You said: hang"], await program.AnswersAsync("1072"));
    }
}
