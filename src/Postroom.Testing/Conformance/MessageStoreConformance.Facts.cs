using Xunit;

namespace Postroom.Testing;

/// <content>Facts: small named values beside the messages.</content>
public abstract partial class MessageStoreConformance
{
    private ValueTask<StoreWriteResult> SetAsync(params FactChange[] facts) => Store.WriteAsync(new StoreWrite { Facts = facts }, Cancel);

    /// <summary>A change replaces the former value; a null value removes it.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_fact_is_replaced_and_removed()
    {
        DateTimeOffset first = Clock.GetUtcNow();
        await SetAsync(new FactChange("pause", "orders", "1"u8.ToArray()));
        StoredFact? written = await Store.Facts.GetAsync("pause", "orders", Cancel);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await SetAsync(new FactChange("pause", "orders", "22"u8.ToArray()));
        StoredFact? replaced = await Store.Facts.GetAsync("pause", "orders", Cancel);
        await SetAsync(new FactChange("pause", "orders", null), new FactChange("pause", "never there", null));
        StoredFact? removed = await Store.Facts.GetAsync("pause", "orders", Cancel);

        Assert.Equal(("pause", "orders", first, null), (written!.Scope, written.Key, written.UpdatedAt, written.ExpiresAt));
        Assert.Equal("1"u8.ToArray(), written.Value.ToArray());
        Assert.Equal("22"u8.ToArray(), replaced!.Value.ToArray());
        Assert.Equal(first.AddMinutes(1), replaced.UpdatedAt);
        Assert.Null(removed);
    }

    /// <summary>Scope and key name a fact together, and differ by every character.</summary>
    [Fact(Timeout = Limit)]
    public async Task Facts_of_other_scopes_and_keys_are_other_facts()
    {
        await SetAsync(new FactChange("a", "b.c", "1"u8.ToArray()), new FactChange("a.b", "c", "2"u8.ToArray()), new FactChange("a", "B.C", "3"u8.ToArray()), new FactChange("a", "", "4"u8.ToArray()));

        Assert.Equal("1"u8.ToArray(), (await Store.Facts.GetAsync("a", "b.c", Cancel))!.Value.ToArray());
        Assert.Equal("2"u8.ToArray(), (await Store.Facts.GetAsync("a.b", "c", Cancel))!.Value.ToArray());
        Assert.Equal("3"u8.ToArray(), (await Store.Facts.GetAsync("a", "B.C", Cancel))!.Value.ToArray());
        Assert.Equal("4"u8.ToArray(), (await Store.Facts.GetAsync("a", "", Cancel))!.Value.ToArray());
        Assert.Null(await Store.Facts.GetAsync("a", "b", Cancel));
    }

    /// <summary>A scope is listed by key in ordinal order.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_scope_is_listed_by_key_in_ordinal_order()
    {
        string[] keys = ["b", "a", "B", "_", "a.1", "\u00e4", "10", "9"];
        await SetAsync([.. keys.Select(key => new FactChange("scope", key, new byte[] { 1 })), new FactChange("other", "x", new byte[] { 1 })]);

        IReadOnlyList<StoredFact> listed = await Store.Facts.ListAsync("scope", Cancel);

        Assert.Equal(keys.Order(StringComparer.Ordinal), listed.Select(fact => fact.Key));
        Assert.Empty(await Store.Facts.ListAsync("nothing", Cancel));
    }

    /// <summary>The last facts of a prefix are listed page by page, last key first.</summary>
    [Fact(Timeout = Limit)]
    public async Task The_last_facts_of_a_prefix_are_listed_page_by_page()
    {
        await SetAsync([.. Enumerable.Range(1, 5).Select(number => new FactChange("row", $"a/{number}", new[] { (byte)number })), new FactChange("row", "a0", new byte[] { 9 }), new FactChange("row", "a", new byte[] { 9 }), new FactChange("other", "a/9", new byte[] { 9 })]);

        IReadOnlyList<StoredFact> first = await Store.Facts.ListLastAsync("row", "a/", null, 2, Cancel);
        IReadOnlyList<StoredFact> rest = await Store.Facts.ListLastAsync("row", "a/", first[^1].Key, 10, Cancel);

        Assert.Equal(["a/5", "a/4"], first.Select(fact => fact.Key));
        Assert.Equal(["a/3", "a/2", "a/1"], rest.Select(fact => fact.Key));
        Assert.Empty(await Store.Facts.ListLastAsync("row", "b/", null, 10, Cancel));
    }

    /// <summary>An expired fact is not read and not listed; it can be set again.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_expired_fact_is_gone()
    {
        await SetAsync(
            new FactChange("scope", "short", "1"u8.ToArray(), Clock.GetUtcNow().AddMinutes(1)),
            new FactChange("scope", "long", "2"u8.ToArray()));

        StoredFact? before = await Store.Facts.GetAsync("scope", "short", Cancel);
        Clock.Advance(TimeSpan.FromMinutes(1));
        StoredFact? after = await Store.Facts.GetAsync("scope", "short", Cancel);
        IReadOnlyList<StoredFact> listed = await Store.Facts.ListAsync("scope", Cancel);
        await SetAsync(new FactChange("scope", "short", "3"u8.ToArray()));

        Assert.Equal(Clock.GetUtcNow(), before!.ExpiresAt);
        Assert.Null(after);
        Assert.Equal(["long"], listed.Select(fact => fact.Key));
        Assert.Equal("3"u8.ToArray(), (await Store.Facts.GetAsync("scope", "short", Cancel))!.Value.ToArray());
    }

    /// <summary>Of several changes of one fact in a write the last one stands.</summary>
    [Fact(Timeout = Limit)]
    public async Task The_last_change_of_a_write_stands()
    {
        await SetAsync(new FactChange("scope", "key", "1"u8.ToArray()), new FactChange("scope", "key", null), new FactChange("scope", "key", "3"u8.ToArray()));

        Assert.Equal("3"u8.ToArray(), (await Store.Facts.GetAsync("scope", "key", Cancel))!.Value.ToArray());
    }

    /// <summary>Values are bytes: empty ones and the largest come back, and the caller's buffer is his again.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_fact_is_a_copy_of_any_bytes_up_to_its_limit()
    {
        byte[] value = new byte[StoredFact.MaxValueBytes];
        new Random(3).NextBytes(value);
        byte[] written = [.. value];

        await SetAsync(new FactChange("scope", "large", written), new FactChange("scope", "empty", ReadOnlyMemory<byte>.Empty));
        Array.Clear(written);

        Assert.True((await Store.Facts.GetAsync("scope", "large", Cancel))!.Value.Span.SequenceEqual(value));
        Assert.True((await Store.Facts.GetAsync("scope", "empty", Cancel))!.Value.IsEmpty);
    }
}
