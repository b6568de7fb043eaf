using Xunit;

namespace Postroom.Tests.Messages;

public sealed class EnvelopeTests
{
    private static Envelope Plain => new(MessageId.New(), "orders", "order.received", "{}"u8.ToArray());

    [Fact]
    public void A_copy_shares_no_rare_field_with_its_original()
    {
        MessageId parent = MessageId.New();
        Envelope original = Plain with { ParentId = parent, DedupKey = "a" };

        Envelope copy = original with { DedupKey = "b", ReplayOf = original.Id, ParentId = null };
        Envelope second = original with { GroupId = parent };

        Assert.Equal(("a", null, parent, null), (original.DedupKey, original.ReplayOf, original.ParentId, original.GroupId));
        Assert.Equal(("b", original.Id, null), (copy.DedupKey, copy.ReplayOf, copy.ParentId));
        Assert.Equal(("a", parent), (second.DedupKey, second.GroupId));
    }

    [Fact]
    public void The_order_key_is_the_conversation_unless_it_is_set()
    {
        Envelope inherits = Plain with { Conversation = "c-1" };

        Assert.Equal("c-1", inherits.OrderKey);
        Assert.Equal("c-2", (inherits with { Conversation = "c-2" }).OrderKey);
        Assert.Null((inherits with { OrderKey = null }).OrderKey);
        Assert.Equal("", (inherits with { OrderKey = "" }).OrderKey);
        Assert.Equal("k", (inherits with { OrderKey = "k", Conversation = "c-3" }).OrderKey);
        Assert.Null(Plain.OrderKey);
        Assert.Equal("*", (inherits with { OrderKey = "*" }).OrderKey);
    }

    [Fact]
    public void Instants_are_utc_milliseconds()
    {
        DateTimeOffset instant = new DateTimeOffset(2026, 3, 1, 12, 0, 0, 123, TimeSpan.FromHours(2)).AddTicks(9);

        Envelope envelope = Plain with { CreatedAt = instant, NotBefore = instant, ExpiresAt = instant };

        DateTimeOffset expected = new(2026, 3, 1, 10, 0, 0, 123, TimeSpan.Zero);
        Assert.Equal((expected, expected, expected), (envelope.CreatedAt, envelope.NotBefore, envelope.ExpiresAt));
        Assert.Equal(TimeSpan.Zero, envelope.CreatedAt.Offset);
    }

    [Fact]
    public void A_plain_envelope_has_the_defaults()
    {
        Envelope envelope = Plain;

        Assert.Equal(envelope.Id.CreatedAt, envelope.CreatedAt);
        Assert.Equal((0L, "application/json", MessageDirection.Internal, 5, 0), (envelope.Seq, envelope.ContentType, envelope.Direction, envelope.MaxAttempts, envelope.Hops));
        Assert.Empty(envelope.Headers);
        Assert.Empty(envelope.Attachments);
        Assert.Null(envelope.Header("subject"));
    }
}
