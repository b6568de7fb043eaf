using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>TG-8: a refusal that does not say whose limit it is, is the bot's when the bot's limit is used up, or when several chats are refused together.</summary>
public sealed class BotLimitTests
{
    [Fact]
    public void Tg8_a_refusal_is_of_the_chat_until_the_bots_own_limit_is_used_up()
    {
        ManualClock clock = new();
        BotLimit limit = new(clock, 3);
        limit.Note();
        limit.Note();
        BotRefusal early = limit.Refused("a");
        limit.Note();

        Assert.Equal(BotRefusal.OfChat, early);
        Assert.Equal(BotRefusal.OfBot, limit.Refused("a"));
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(BotRefusal.OfChat, limit.Refused("a"));
    }

    [Fact]
    public void Tg8_several_chats_refused_together_are_the_bot()
    {
        ManualClock clock = new();
        BotLimit limit = new(clock, 30);

        Assert.Equal([BotRefusal.OfChat, BotRefusal.OfChat, BotRefusal.OfChat, BotRefusal.OfBotPerhaps], new[] { limit.Refused("a"), limit.Refused("a"), limit.Refused("b"), limit.Refused("c") });
        Assert.Equal([BotRefusal.OfChat, BotRefusal.OfChat], new[] { limit.Refused("d"), limit.Refused("e") });
        clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal([BotRefusal.OfChat, BotRefusal.OfChat, BotRefusal.OfBotPerhaps], new[] { limit.Refused("f"), limit.Refused("g"), limit.Refused("h") });
    }
}
