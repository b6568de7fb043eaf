using System.Text.Json;
using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>The program dies in the middle; what it had said stays true.</summary>
[Collection(Processes.Name)]
public sealed class DeathTests
{
    [Fact]
    public async Task Ac1_A_message_that_was_answered_200_and_not_yet_handled_is_handled_once_after_a_kill()
    {
        await using RealProgram program = new();
        await program.RunAppAsync("talk");
        Task<string> begun = program.Ledger.NextAsync("BEGIN wait");
        await program.PostAsync("1001", "wait");
        await begun;
        string waiting = await program.PostAsync("1001", "hello");

        await program.KillAsync();
        await program.RunAppAsync("talk");
        JsonElement message = await program.UntilAsync(waiting, "acked");

        Assert.Equal(1, message.GetProperty("attempt").GetInt32());
        Assert.Single(program.Ledger.Read(), line => line.Contains("DONE hello", StringComparison.Ordinal));
        Assert.Equal(["done wait", "done hello"], await program.AnswersAsync("1001"));
    }

    [Fact]
    public async Task Ac2_A_handler_killed_after_it_staged_three_replies_runs_as_attempt_2_and_each_reply_exists_once()
    {
        await using RealProgram program = new();
        await program.RunAppAsync("talk");
        Task<string> staged = program.Ledger.NextAsync("STAGED");
        string id = await program.PostAsync("1002", "three");
        await staged;

        await program.KillAsync();
        await program.RunAppAsync("talk");
        await program.UntilAsync(id, "acked");

        Assert.Contains(program.Ledger.Read(), line => line.EndsWith($"BEGIN three {id} 2 again", StringComparison.Ordinal));
        Assert.Equal(["reply 1 of attempt 2", "reply 2 of attempt 2", "reply 3 of attempt 2"], await program.AnswersAsync("1002"));
    }

    [Fact]
    public async Task Ac4_A_message_that_overflows_the_stack_is_poison_after_three_deaths_and_its_neighbours_are_handled()
    {
        const int StackOverflow = 134;
        await using RealProgram program = new();
        await program.RunAppAsync("talk");
        List<string> neighbours = [];
        for (int n = 0; n < 5; n++)
        {
            neighbours.Add(await program.PostAsync($"200{n}", "slow 1500"));
        }

        string culprit = await program.PostAsync("2009", "overflow");
        int[] ends = new int[3];
        for (int death = 0; death < 3; death++)
        {
            if (death > 0)
            {
                program.StartApp("talk");
            }

            ends[death] = await program.Process.WaitAsync().WaitAsync(TimeSpan.FromMinutes(2), RealProgram.Cancel);
        }

        await program.RunAppAsync("talk");
        JsonElement dead = await program.UntilAsync(culprit, "failed");
        foreach (string neighbour in neighbours)
        {
            await program.UntilAsync(neighbour, "acked");
        }

        Assert.All(ends, code => Assert.Equal(StackOverflow, code));
        Assert.Equal("poison", dead.GetProperty("kind").GetString());
        Assert.Equal(3, dead.GetProperty("deaths").GetInt32());
        Assert.Equal(3, program.Ledger.Read().Count(line => line.Contains("BEGIN overflow", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Ac6_A_second_process_on_the_same_file_exits_4_within_a_second_and_names_the_owner()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        AppProcess owner = program.Process;

        TimeSpan best = TimeSpan.MaxValue;
        for (int trial = 0; trial < 5 && best > TimeSpan.FromSeconds(1); trial++)
        {
            long begun = System.Diagnostics.Stopwatch.GetTimestamp();
            AppProcess second = program.StartProcess(RealProgram.HostAssembly, ["run"], ["server.urls=[\"http://127.0.0.1:0\"]"]);
            Assert.Equal(4, await second.WaitAsync());
            TimeSpan took = System.Diagnostics.Stopwatch.GetElapsedTime(begun);
            best = took < best ? took : best;
            Assert.Contains($"process {owner.Id}", second.Output, StringComparison.Ordinal);
        }

        Assert.InRange(best, TimeSpan.Zero, RealProgram.OnThisMachine(TimeSpan.FromSeconds(1)));
        await program.PostAsync("1006", "still here");
        await owner.KillAsync();
        await program.RunAsync();
        await program.PostAsync("1006", "here again");
    }

    [Fact]
    public async Task Ac11_Fifty_parallel_posts_with_one_idempotency_key_are_one_message_handled_once()
    {
        await using RealProgram program = new();
        await program.RunAsync();

        string[] ids = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => program.PostAsync("1011", "once", key: "the-one")));

        string id = Assert.Single(ids.Distinct());
        await program.UntilAsync(id, "acked");
        Assert.Equal(["You said: once"], await program.AnswersAsync("1011"));
        Assert.Equal("1", await program.SqlAsync("select count(*) from messages m join names q on q.id = m.queue where q.name = 'in'"));
    }

    [Fact]
    public async Task Ac28_A_type_that_an_earlier_build_handled_waits_for_its_handler_and_an_unknown_one_fails()
    {
        await using RealProgram program = new();
        Task<string> handled = program.Ledger.NextAsync("DONE a.one");
        await program.RunAppAsync("types", "--handle", "a.one,b.one", "--publish", "a.one");
        await handled;
        await program.StopAsync();

        // This build has no handler for a.one, and none ever had one for c.two.
        Task<string> parked = program.Ledger.NextAsync("OK a.one");
        Task<string> unknown = program.Ledger.NextAsync("OK c.two");
        Task<string> behind = program.Ledger.NextAsync("DONE b.two");
        await program.RunAppAsync("types", "--handle", "b.two", "--publish", "a.one,c.two,b.two");
        await behind;
        string parkedId = (await parked).Split(' ')[2];
        JsonElement lost = await program.UntilAsync((await unknown).Split(' ')[2], "failed");
        Assert.Equal("unroutable", lost.GetProperty("kind").GetString());
        Assert.Equal("pending", (await program.ApiAsync($"journal/{parkedId}")).GetProperty("message").GetProperty("state").GetString());
        await program.StopAsync();

        await program.RunAppAsync("types", "--handle", "b.one");
        JsonElement health = await program.ApiAsync("../../health");
        Assert.Equal("degraded", health.GetProperty("status").GetString());
        Assert.Contains("1 parked message: nothing in this build handles 'a.one'", health.ToString(), StringComparison.Ordinal);
        await program.StopAsync();

        await program.RunAppAsync("types", "--handle", "a.one,b.one");
        JsonElement message = await program.UntilAsync(parkedId, "acked");
        Assert.Equal(1, message.GetProperty("attempt").GetInt32());
    }
}
