using Postroom.Crash;
using Xunit;

namespace Postroom.Tests.Crash;

/// <summary>The checker against histories made by hand: the good one passes, and each broken one is caught for the invariant it breaks.</summary>
public sealed class CheckerTests
{
    private const string Plain = "q0.k0.1.f";
    private const string Next = "q0.k0.2.f";
    private const string Parent = "q1.k0.1.c";
    private const string Effect = "q2.k0.1.e";

    [Fact]
    public void A_history_with_a_kill_a_repeat_children_and_an_effect_is_good()
    {
        CheckResult result = Check(new History());

        Assert.Empty(result.Violations);
        Assert.Equal(4, result.Published);
        Assert.Equal(7, result.Acked);
        Assert.Equal(1, result.Duplicates);
        Assert.Equal(1, result.Kills);
    }

    [Fact]
    public void I1_an_acknowledged_message_that_is_not_in_the_store_is_lost()
    {
        History history = new();
        history.Rows.RemoveAll(row => row.Tag == Next);

        AssertBroken("I1", history);
    }

    [Fact]
    public void I2_a_message_that_nobody_published_is_a_ghost()
    {
        History history = new();
        history.Rows.Add(Row(99, "q3.k0.1.f", 2, 1));

        AssertBroken("I2", history);
    }

    [Fact]
    public void I2_a_message_that_is_stored_twice_is_a_ghost()
    {
        History history = new();
        history.Rows.Add(Row(99, Plain, 2, 1));

        AssertBroken("I2", history);
    }

    [Fact]
    public void I2_a_repeated_publish_that_gets_another_id_is_a_ghost()
    {
        History history = new();
        history.Lines.Add($"OK {Plain} another-id");

        AssertBroken("I2", history);
    }

    [Fact]
    public void I3_an_acknowledged_message_does_not_begin_again()
    {
        History history = new();
        history.Lines.Add($"BEGIN {Effect} id-{Effect} 2");

        AssertBroken("I3", history);
    }

    [Fact]
    public void I4_a_message_does_not_succeed_twice_without_a_kill_in_between()
    {
        History history = new();
        history.After($"DONE {Plain}", $"BEGIN {Plain} id-{Plain} 2", $"DONE {Plain} id-{Plain} 2");

        AssertBroken("I4", history);
    }

    [Fact]
    public void I4_a_kill_repeats_no_more_than_was_in_work_or_awaiting_its_commit()
    {
        AssertBroken("I4", new History(), bound: 0);
    }

    [Fact]
    public void I5_a_message_of_a_key_does_not_begin_after_a_later_one_of_it()
    {
        History history = new();
        history.Lines.Add($"BEGIN {Plain} id-{Plain} 3");

        AssertBroken("I5", history);
    }

    [Fact]
    public void I5_a_message_of_a_key_does_not_begin_while_an_earlier_one_is_open()
    {
        History history = new();
        history.Lines.RemoveAll(line => line.StartsWith($"DONE {Plain}", StringComparison.Ordinal));

        AssertBroken("I5", history);
    }

    [Fact]
    public void I6_the_store_counts_what_it_has()
    {
        History history = new();
        history.Totals[("q0", 2)] = 3;

        AssertBroken("I6", history);
    }

    [Fact]
    public void I7_nothing_leaves_acked()
    {
        History history = new();
        history.Change(Effect, row => row with { State = 3, Failure = 1 });

        AssertBroken("I7", history);
    }

    [Fact]
    public void I7_nothing_is_acked_that_no_handler_succeeded_with()
    {
        History history = new();
        history.Lines.RemoveAll(line => line.StartsWith($"DONE {Effect}", StringComparison.Ordinal));

        AssertBroken("I7", history);
    }

    [Fact]
    public void I7_nothing_is_open_after_everything_was_drained()
    {
        History history = new();
        history.Change(Next, row => row with { State = 1 });

        AssertBroken("I7", history);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    public void I9_attempts_rise_by_one_with_each_begin(int attempt)
    {
        History history = new();
        history.Replace($"BEGIN {Plain} id-{Plain} 2", $"BEGIN {Plain} id-{Plain} {attempt}");

        AssertBroken("I9", history);
    }

    [Fact]
    public void I9_the_last_attempt_is_the_one_that_succeeded()
    {
        History history = new();
        history.Change(Plain, row => row with { Attempt = 1 });

        AssertBroken("I9", history);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void I10_an_effect_is_there_once_for_each_acknowledged_message(int count)
    {
        History history = new();
        history.Counts["q2.k0"] = count;

        AssertBroken("I10", history);
    }

    [Fact]
    public void I11_the_children_of_an_acknowledged_message_are_all_there()
    {
        History history = new();
        history.Rows.RemoveAll(row => row.Tag == $"{Parent}.c2");

        AssertBroken("I11", history);
    }

    [Fact]
    public void I11_a_message_that_is_not_acknowledged_has_no_children()
    {
        History history = new();
        history.Change(Parent, row => row with { State = 0 });

        AssertBroken("I11", history);
    }

    [Fact]
    public void The_same_seed_gives_the_same_plan()
    {
        Assert.Equal(KillPlan.Of(77).Take(50), KillPlan.Of(77).Take(50));
        Assert.NotEqual(KillPlan.Of(77).Take(50), KillPlan.Of(78).Take(50));
        Assert.Equal(3, KillPlan.Of(77).Take(200).Select(kill => kill.Mode).Distinct().Count());
    }

    private static CheckResult Check(History history, int bound = 4) => Checker.Check(history.Numbered, history.Dump, bound, drained: true);

    private static void AssertBroken(string invariant, History history, int bound = 4)
    {
        Assert.Contains(Check(history, bound).Violations, violation => violation.Invariant == invariant);
    }

    private static JournalRow Row(long seq, string tag, int state, int attempt, string? parent = null)
    {
        return new JournalRow(seq, $"id-{tag}{(seq == 99 ? "-again" : "")}", parent is null ? tag[..2] : "kids", state, attempt, null, parent, tag);
    }

    /// <summary>Two messages of one key, a parent with three children, an effect; a kill after the first success, before its commit.</summary>
    private sealed class History
    {
        public List<string> Lines { get; } =
        [
            "START 1", "READY",
            $"CALL {Plain}", $"OK {Plain} id-{Plain}",
            $"BEGIN {Plain} id-{Plain} 1", $"DONE {Plain} id-{Plain} 1",
            $"CALL {Parent}",
            "KILL 1 Load", "START 2", "READY",
            $"BEGIN {Plain} id-{Plain} 2", $"CALL {Parent}", $"OK {Parent} id-{Parent}", $"DONE {Plain} id-{Plain} 2", $"ACK {Plain}",
            $"CALL {Next}", $"OK {Next} id-{Next}", $"BEGIN {Next} id-{Next} 1", $"DONE {Next} id-{Next} 1",
            $"BEGIN {Parent} id-{Parent} 1", $"DONE {Parent} id-{Parent} 1", $"ACK {Parent}",
            .. Enumerable.Range(0, 3).SelectMany(n => new[] { $"BEGIN {Parent}.c{n} id-{Parent}.c{n} 1", $"DONE {Parent}.c{n} id-{Parent}.c{n} 1", $"ACK {Parent}.c{n}" }),
            $"CALL {Effect}", $"OK {Effect} id-{Effect}", $"BEGIN {Effect} id-{Effect} 1", $"DONE {Effect} id-{Effect} 1", $"ACK {Effect}",
            "EXIT 2 0",
        ];

        public List<JournalRow> Rows { get; } =
        [
            Row(1, Plain, 2, 2), Row(2, Next, 2, 1), Row(3, Parent, 2, 1), Row(4, Effect, 2, 1),
            .. Enumerable.Range(0, 3).Select(n => Row(5 + n, $"{Parent}.c{n}", 2, 1, $"id-{Parent}")),
        ];

        public Dictionary<(string, int), long> Totals { get; } = new() { [("q0", 2)] = 2, [("q1", 2)] = 1, [("q2", 2)] = 1, [("kids", 2)] = 3 };

        public Dictionary<string, long> Counts { get; } = new() { ["q2.k0"] = 1 };

        public IEnumerable<string> Numbered => Lines.Select((line, index) => $"{index + 1} {line}");

        public JournalDump Dump => new(Rows, Totals, Counts);

        public void Change(string tag, Func<JournalRow, JournalRow> change)
        {
            int index = Rows.FindIndex(row => row.Tag == tag);
            Rows[index] = change(Rows[index]);
        }

        public void Replace(string line, string by) => Lines[Lines.IndexOf(line)] = by;

        public void After(string start, params string[] lines) => Lines.InsertRange(Lines.FindIndex(line => line.StartsWith(start, StringComparison.Ordinal)) + 1, lines);
    }
}
