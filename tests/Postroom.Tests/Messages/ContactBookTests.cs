using System.Globalization;
using Postroom.Intake;
using Postroom.Memory;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Messages;

/// <summary>What is remembered of contacts (SE-11).</summary>
public sealed class ContactBookTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SE_11_in_memory_are_the_contacts_who_wrote_last_and_the_store_forgets_those_who_write_no_more()
    {
        ManualClock clock = new();
        await using MemoryStore store = new(clock);
        ContactBook book = new(store.Facts, clock, new LimitsOptions { Contacts = 32 });
        for (int i = 0; i < 100; i++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(1));
            FactChange? change = book.Note(string.Create(CultureInfo.InvariantCulture, $"contact {i}"), "telegram");
            Assert.Equal(clock.GetUtcNow() + TimeSpan.FromDays(365), change!.ExpiresAt);
            Assert.InRange(book.InMemory, 1, 32);
        }

        // Nothing was stored, so memory alone answers.
        Assert.Equal(("telegram", null), ((await book.FindAsync("contact 99", Cancel))?.Channel, (await book.FindAsync("contact 60", Cancel))?.Channel));
        Assert.Equal("telegram", (await book.FindAsync("contact 75", Cancel))?.Channel);
        Assert.Null(book.Note("contact 99", "telegram")); // known a moment ago: no write
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.NotNull(book.Note("contact 99", "telegram")); // and so its year begins anew
    }
}
