using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;
using Postroom.Host;
using Postroom.Tests.Architecture;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>What <c>docs/sources.md</c> shows: a source of one's own, and the settings of the built-in ones.</summary>
public sealed partial class OwnSourceTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private interface ITickets
    {
        Task<IReadOnlyList<Ticket>> NewerThanAsync(int number, CancellationToken cancellationToken);

        Task CloseAsync(int number, string outcome, CancellationToken cancellationToken);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_source_of_the_documentation_neither_skips_nor_repeats_and_tells_its_origin()
    {
        Tickets tickets = new();
        await using (MessageRuntime runtime = await StartAsync())
        {
            await UntilAsync(() => tickets.Closed.Count == 2);
            tickets.Open.Add(new Ticket(3));
            Assert.Equal(1, await runtime.PollAsync("tickets"));
            await UntilAsync(() => tickets.Closed.Count == 3);
        }

        await using MessageRuntime again = await StartAsync();
        Assert.Equal(0, await again.PollAsync("tickets"));
        Assert.Equal(3, tickets.Last);
        Assert.Equal(["1 seen", "2 failed", "3 seen"], tickets.Closed.Order());

        Task<MessageRuntime> StartAsync() => StartDurableAsync(_folder.Path, app =>
        {
            app.Services.AddSingleton<ITickets>(tickets);
            app.AddQueue("work").AddWorkers("work")
                .AddHandler("ticket.opened", RuntimeTestJson.Default.Order, (order, _, _) => new(order.Number == "2" ? HandlerResult.Fail("no") : HandlerResult.Completed), "work");
            _ =
app.AddSource("tickets", services => new TicketSource("tickets", services.GetRequiredService<ITickets>()), into: "work")
            ;
        });
    }

    [Theory]
    [InlineData("## A mailbox", "sources.a.", "sources.a.type=imap;sources.a.host=mail.example.org;sources.a.username=u;sources.a.password=p")]
    [InlineData("## A Maildir", "sources.a.", "sources.a.type=maildir;sources.a.path=.")]
    [InlineData("## A folder", "sources.a.", "sources.a.type=folder;sources.a.path=.")]
    [InlineData("## Schedules", "schedules.a.", "schedules.a.every=1m;schedules.a.queue=in;schedules.a.type=a.b")]
    public async Task The_tables_name_every_setting_with_its_default(string heading, string prefix, string settings)
    {
        string page = await File.ReadAllTextAsync(Repository.At("docs/sources.md"), Cancel);
        string section = page[page.IndexOf(heading + "\n", StringComparison.Ordinal)..];
        string[] rows = [.. section[section.IndexOf("| Setting", StringComparison.Ordinal)..].Split('\n').Skip(2).TakeWhile(line => line.StartsWith('|'))];
        Dictionary<string, string> documented = [];
        foreach (string[] cells in rows.Select(row => row.Split('|')))
        {
            foreach (Match name in Code().Matches(cells[1]))
            {
                documented.Add(name.Groups[1].Value, cells[2].Trim());
            }
        }

        MessageRuntime runtime = Create(app => app.AddChannels(), settings.Split(';'));
        ConfigurationSnapshot snapshot = await runtime.LoadSettingsAsync(Cancel);
        Dictionary<string, string?> real = snapshot.View().Where(view => view.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(view => view.Key[prefix.Length..], view => view.Value, StringComparer.Ordinal);
        string[] common = prefix.StartsWith("sources", StringComparison.Ordinal) ? ["type", "into", "enabled", "replyVia"] : [];

        Assert.Equal(real.Keys.Except(common).Order(), documented.Keys.Order());
        Assert.All(documented.Where(row => row.Value.StartsWith('`')), row => Assert.Equal(real[row.Key], row.Value.Trim('`')));
    }

    [GeneratedRegex("`([^`]+)`", RegexOptions.NonBacktracking)]
    private static partial Regex Code();

    private sealed record Ticket(int Number);

    private sealed class Tickets : ITickets
    {
        public List<Ticket> Open { get; } = [new Ticket(1), new Ticket(2)];

        public System.Collections.Concurrent.ConcurrentBag<string> Closed { get; } = [];

        public int Last { get; private set; }

        public Task<IReadOnlyList<Ticket>> NewerThanAsync(int number, CancellationToken cancellationToken)
        {
            Last = number;
            return Task.FromResult<IReadOnlyList<Ticket>>([.. Open.Where(ticket => ticket.Number > number)]);
        }

        public Task CloseAsync(int number, string outcome, CancellationToken cancellationToken)
        {
            Closed.Add(string.Create(CultureInfo.InvariantCulture, $"{number} {outcome}"));
            return Task.CompletedTask;
        }
    }

    /// <summary>Brings the tickets that are newer than the last one it brought.</summary>
    private sealed class TicketSource(string name, ITickets tickets) : PollingSource(name, TimeSpan.FromSeconds(30)), IMarkOrigin
    {
        protected override async ValueTask<int> PollAsync(IMessageSink sink, CancellationToken cancellationToken)
        {
            // Stored with the last batch, in one transaction: a restart neither skips nor repeats.
            ReadOnlyMemory<byte>? checkpoint = await sink.GetCheckpointAsync(cancellationToken);
            int last = checkpoint is { } stored ? BitConverter.ToInt32(stored.Span) : 0;
            IReadOnlyList<Ticket> found = await tickets.NewerThanAsync(last, cancellationToken);
            if (found.Count == 0)
            {
                return 0;
            }

            SourceMessage[] batch =
            [
                .. found.Select(ticket => new SourceMessage("work", "ticket.opened", JsonSerializer.SerializeToUtf8Bytes(new Order($"{ticket.Number}"), RuntimeTestJson.Default.Order))
                {
                    DedupKey = $"ticket:{ticket.Number}", // reveals what the origin gives twice
                    OriginKey = $"{ticket.Number}", // asks for MarkAsync when the work has ended
                }),
            ];
            IReadOnlyList<AcceptResult> results = await sink.AcceptAsync(batch, BitConverter.GetBytes(found[^1].Number), cancellationToken);
            return results.Count(result => !result.Duplicate);
        }

        public async ValueTask MarkAsync(MarkRequest request, CancellationToken cancellationToken) =>
            await tickets.CloseAsync(int.Parse(request.Key, CultureInfo.InvariantCulture), request.Outcome, cancellationToken);
    }
}
