using System.Reflection;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class RequestJournalTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Beyond_64_reads_of_requests_the_next_is_refused_and_the_runtimes_own_go_on()
    {
        RuntimeDouble runtime = new(TimeProvider.System) { Journal = DispatchProxy.Create<IJournal, HeldJournal>() };
        HeldJournal held = (HeldJournal)runtime.Journal;
        RequestJournal requests = new(runtime);

        Task<JournalPage>[] reads = [.. Enumerable.Range(0, 64).Select(_ => requests.QueryAsync(new JournalQuery(), Cancel).AsTask())];
        await Assert.ThrowsAsync<StoreUnavailableException>(() => requests.QueryAsync(new JournalQuery(), Cancel).AsTask());
        Task<JournalPage> own = runtime.Journal.QueryAsync(new JournalQuery(), Cancel).AsTask();
        held.Answer.SetResult(new JournalPage([], 0, false, null));

        await Task.WhenAll([own, .. reads]);
        Assert.Empty((await requests.QueryAsync(new JournalQuery(), Cancel)).Items);
    }

    /// <summary>Answers no query before it is told to.</summary>
    public class HeldJournal : DispatchProxy
    {
        public TaskCompletionSource<JournalPage> Answer { get; } = new();

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => new ValueTask<JournalPage>(Answer.Task);
    }
}
