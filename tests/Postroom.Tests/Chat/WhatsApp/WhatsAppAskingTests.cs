using System.Text;
using Postroom.Chat;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>WA-5, WA-12, AC-58: callbacks that prove a send, and signals.</summary>
public sealed class WhatsAppAskingTests
{
    private const string From = WhatsAppFixture.Contact;

    [Fact]
    public async Task Ac58_a_lost_answer_is_proved_by_the_callback_without_a_second_send()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();
        wa.Service.LoseAnswers(1);

        Assert.Equal(new DeliveryFailure.Uncertain(), (await wa.RefusedAsync(new OutgoingMessage("once"), delivery)).Failure);
        Task<ProbeAnswer> asking = wa.Communicator.FindAsync(delivery.IdempotencyKey, WhatsAppFixture.Cancel).AsTask();
        Assert.False(asking.IsCompleted);
        FakeWhatsAppMessage sent = Assert.Single(wa.Service.Messages);
        await wa.PostAsync(wa.Service.Post().Status(sent, "sent", wa.Clock.GetUtcNow()));

        ProbeAnswer.Found found = Assert.IsType<ProbeAnswer.Found>(await asking);
        Assert.Equal((DeliveryStatus.Sent, sent.Id), (found.Receipt.Status, found.Receipt.OutsideId));
        Assert.Equal(delivery.MessageId, Assert.Single(wa.Sink.Receipts).MessageId);
        Assert.Single(wa.Service.Messages);
    }

    [Fact]
    public async Task Wa5_a_callback_that_came_before_the_question_counts_too()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();
        wa.Service.LoseAnswers(1);
        await wa.RefusedAsync(new OutgoingMessage("once"), delivery);
        await wa.PostAsync(wa.Service.Post().Status(wa.Service.Messages[0], "delivered", wa.Clock.GetUtcNow()));

        Assert.IsType<ProbeAnswer.Found>(await wa.Communicator.FindAsync(delivery.IdempotencyKey, WhatsAppFixture.Cancel));
    }

    [Fact]
    public async Task Wa5_what_was_told_of_an_earlier_send_says_nothing_of_a_new_one()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();
        wa.Service.LoseAnswers(2);
        await wa.RefusedAsync(new OutgoingMessage("once"), delivery);
        await wa.PostAsync(wa.Service.Post().Status(wa.Service.Messages[0], "delivered", wa.Clock.GetUtcNow()));
        await wa.RefusedAsync(new OutgoingMessage("once"), delivery);
        Task<ProbeAnswer> asking = wa.Communicator.FindAsync(delivery.IdempotencyKey, WhatsAppFixture.Cancel).AsTask();

        Assert.False(asking.IsCompleted);
        await wa.PostAsync(wa.Service.Post().Status(wa.Service.Messages[1], "sent", wa.Clock.GetUtcNow()));
        Assert.Equal(wa.Service.Messages[1].Id, Assert.IsType<ProbeAnswer.Found>(await asking).Receipt.OutsideId);
    }

    [Fact]
    public async Task Wa4_a_contact_is_the_same_however_a_message_names_them()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        string?[] named = [.. new[] { "wa:+491510001", "wa:491510001", "wa:491510001@c.us" }.Select(to => wa.Communicator.RecipientOf(Address.Parse(to), "default"))];

        Assert.Equal("+491510001", Assert.Single(named.Distinct()));
    }

    [Fact]
    public async Task Wa5_when_the_time_is_over_nobody_can_tell_and_a_later_callback_still_answers_the_next_question()
    {
        StatusWaits waits = new();
        using CancellationTokenSource first = new();
        using CancellationTokenSource second = new();
        Task<ProbeAnswer> one = waits.FindAsync("k", first.Token).AsTask();
        Task<ProbeAnswer> two = waits.FindAsync("k", second.Token).AsTask();

        await first.CancelAsync();
        Assert.IsType<ProbeAnswer.Unknown>(await one);
        waits.Tell("k", new DeliveryReceipt { Status = DeliveryStatus.Sent });

        Assert.IsType<ProbeAnswer.Found>(await two);
        Assert.IsType<ProbeAnswer.Found>(await waits.FindAsync("k", first.Token));
    }

    [Theory]
    [InlineData("sent w1, failed w1", "Failed w1")]
    [InlineData("failed w1, sent w1", "Failed w1")]
    [InlineData("failed w1, delivered w1, sent w2", "Sent w2")]
    [InlineData("sent w2, failed w1", "Sent w2")]
    [InlineData("failed w1, failed w2, sent w1", "Sent w1")] // two sends with the key: what is known of each is the journal's
    public async Task Wa5_what_gives_a_send_up_is_the_last_word_on_it_and_none_on_another_one(string told, string known)
    {
        StatusWaits waits = new();
        foreach (string[] word in told.Split(", ").Select(static one => one.Split(' ')))
        {
            waits.Tell("k", new DeliveryReceipt { Status = Enum.Parse<DeliveryStatus>(word[0], ignoreCase: true), OutsideId = word[1] });
        }

        ProbeAnswer.Found found = Assert.IsType<ProbeAnswer.Found>(await waits.FindAsync("k", WhatsAppFixture.Cancel));

        Assert.Equal(known, $"{found.Receipt.Status} {found.Receipt.OutsideId}");
    }

    [Fact]
    public async Task The_table_of_waits_and_the_memory_of_callbacks_are_bounded()
    {
        StatusWaits waits = new();
        using CancellationTokenSource ending = new();
        List<Task<ProbeAnswer>> asking = [.. Enumerable.Range(0, StatusWaits.MaxWaits).Select(i => waits.FindAsync($"w{i}", ending.Token).AsTask())];

        Assert.IsType<ProbeAnswer.Unknown>(await waits.FindAsync("one more", ending.Token));
        await ending.CancelAsync();
        Assert.All(await Task.WhenAll(asking), answer => Assert.IsType<ProbeAnswer.Unknown>(answer));

        for (int i = 0; i <= StatusWaits.MaxRemembered; i++)
        {
            waits.Tell($"k{i}", new DeliveryReceipt { Status = DeliveryStatus.Sent });
        }

        Assert.IsType<ProbeAnswer.Unknown>(await waits.FindAsync("k0", ending.Token)); // forgotten, and the time is over
        Assert.IsType<ProbeAnswer.Found>(await waits.FindAsync("k1", ending.Token));
    }

    [Fact]
    public async Task A_callback_of_an_early_part_does_not_prove_the_whole_message()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();
        wa.Service.LoseAnswers(1);
        await wa.RefusedAsync(new OutgoingMessage(new string('x', 5_000)), delivery);
        await wa.PostAsync(wa.Service.Post().Status(Assert.Single(wa.Service.Messages), "sent", wa.Clock.GetUtcNow()));
        using CancellationTokenSource over = new();
        await over.CancelAsync();

        Assert.IsType<ProbeAnswer.Unknown>(await wa.Communicator.FindAsync(delivery.IdempotencyKey, over.Token));
        LateReceipt told = Assert.Single(wa.Sink.Receipts);
        Assert.Equal((delivery.MessageId, 1, "part 1"), (told.MessageId!.Value, told.Receipt.Part!.Value, told.Receipt.Detail));
    }

    [Fact]
    public async Task A_callback_that_could_not_be_stored_proves_nothing_yet()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();
        await wa.SendAsync(new OutgoingMessage("x"), delivery);
        wa.Sink.Failure = new StoreUnavailableException("The disk is full.");
        await Assert.ThrowsAsync<StoreUnavailableException>(() => wa.PostAsync(wa.Service.Post().Status(wa.Service.Messages[0], "sent", wa.Clock.GetUtcNow())).AsTask());
        using CancellationTokenSource over = new();
        await over.CancelAsync();

        Assert.IsType<ProbeAnswer.Unknown>(await wa.Communicator.FindAsync(delivery.IdempotencyKey, over.Token));
    }

    [Fact]
    public async Task Wa12_typing_marks_the_contacts_last_message_as_read_and_is_nothing_without_one()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        Address contact = Address.Parse($"wa:+{From}");

        await wa.Communicator.SignalAsync(new Signal.Typing(contact), new DeliveryDouble(), WhatsAppFixture.Cancel);
        Assert.Empty(wa.Service.Requests);
        await wa.PostAsync(wa.Service.Post().Text(From, "wamid.1", wa.Clock.GetUtcNow().AddSeconds(-9), "one").Text(From, "wamid.2", wa.Clock.GetUtcNow(), "two"));
        await wa.Communicator.SignalAsync(new Signal.Typing(contact), new DeliveryDouble(), WhatsAppFixture.Cancel);
        await wa.Communicator.SignalAsync(new Signal.Typing(contact) { Ttl = TimeSpan.Zero }, new DeliveryDouble(), WhatsAppFixture.Cancel);
        await wa.Communicator.SignalAsync(new Signal.Presence(contact, "online"), new DeliveryDouble(), WhatsAppFixture.Cancel);

        Assert.Equal("""{"messaging_product":"whatsapp","status":"read","message_id":"wamid.2","typing_indicator":{"type":"text"}}""", Assert.Single(wa.Service.Requests).Text);
    }

    [Fact]
    public async Task Wa4_typing_says_nothing_of_how_many_messages_a_pair_takes()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        Signal.Typing typing = new(Address.Parse($"wa:+{From}"));
        await wa.PostAsync(wa.Service.Post().Text(From, "wamid.1", wa.Clock.GetUtcNow(), "one"));
        wa.Service.Next(FakeWhatsAppServer.PairRateLimit());
        await wa.RefusedAsync(new OutgoingMessage("x"));
        await wa.Communicator.SignalAsync(typing, new DeliveryDouble(), WhatsAppFixture.Cancel);
        wa.Service.Next(FakeWhatsAppServer.PairRateLimit(), FakeWhatsAppServer.PairRateLimit());
        await Assert.ThrowsAsync<DeliveryException>(() => wa.Communicator.SignalAsync(typing, new DeliveryDouble(), WhatsAppFixture.Cancel).AsTask());

        wa.Clock.Advance(TimeSpan.FromSeconds(1));

        DeliveryException refused = await wa.RefusedAsync(new OutgoingMessage("x"));

        Assert.Equal(new DeliveryFailure.RateLimited(wa.Clock.GetUtcNow() + TimeSpan.FromSeconds(4)), refused.Failure); // the second wait, neither the first again nor the third
    }

    [Fact]
    public async Task Ac58_a_lost_answer_is_proved_by_a_callback_after_a_restart_without_a_second_send()
    {
        using TempFolder folder = new();
        await using FakeWhatsAppServer service = new();
        service.LoseAnswers(1);
        await using MessageRuntime first = await RuntimeHarness.StartDurableAsync(folder.Path, app => app.AddCommunicator(_ => Make(service), config: ConfigOf(service)));
        EmitResult sent = await first.Dispatcher.EmitAsync(new OutgoingMessage("once") { To = Address.Parse($"wa:{From}") }, WhatsAppFixture.Cancel);
        await RuntimeHarness.UntilAsync(async () => await EntryAsync(first) is { State: MessageState.Pending, Error: not null });
        JournalEntry waiting = await EntryAsync(first);
        await first.StopAsync(WhatsAppFixture.Cancel);

        WhatsAppCommunicator next = Make(service);
        await using MessageRuntime second = await RuntimeHarness.StartDurableAsync(folder.Path, app => app.AddCommunicator(_ => next, config: ConfigOf(service)));
        string callback = service.Post().Status(service.Messages[0], "delivered", DateTimeOffset.UtcNow).ToString();
        WebhookReply reply = await next.ReceiveAsync(
            new WebhookCall { Method = "POST", Headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { ["X-Hub-Signature-256"] = service.Sign(callback) }, Body = Encoding.UTF8.GetBytes(callback) },
            WhatsAppFixture.Cancel);
        JournalRecord proved = await second.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.NotNull(waiting.SendStartedAt);
        Assert.Equal(200, reply.Status);
        Assert.Single(service.Messages);
        Assert.Contains(proved.Receipts, receipt => receipt.Status == DeliveryStatus.Delivered);

        async Task<JournalEntry> EntryAsync(MessageRuntime runtime) => (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, WhatsAppFixture.Cancel))!.Entry;
    }

    [Fact]
    public async Task Wa12_a_reaction_is_a_message_with_an_emoji_or_none_and_a_lost_answer_may_be_repeated()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        Address contact = Address.Parse($"wa:{From}");

        await wa.Communicator.SignalAsync(new Signal.Reaction(contact, "wamid.1", "👍"), new DeliveryDouble(), WhatsAppFixture.Cancel);
        await wa.Communicator.SignalAsync(new Signal.Reaction(contact, "wamid.1", "👍", Remove: true), new DeliveryDouble(), WhatsAppFixture.Cancel);
        wa.Service.LoseAnswers(1);
        DeliveryException lost = await Assert.ThrowsAsync<DeliveryException>(() => wa.Communicator.SignalAsync(new Signal.Reaction(contact, "wamid.1", "👍"), new DeliveryDouble(), WhatsAppFixture.Cancel).AsTask());

        Assert.Equal(new DeliveryFailure.Transient(), lost.Failure);
        Assert.Equal(["👍", "", "👍"], wa.Service.Messages.Select(message => message.Body.GetProperty("reaction").GetProperty("emoji").GetString()));
    }

    private static WhatsAppCommunicator Make(FakeWhatsAppServer service) => new("wa", ConfigOf(service));

    private static WhatsAppCommunicatorConfig ConfigOf(FakeWhatsAppServer service) => new()
    {
        Type = WhatsAppCommunicatorConfig.Kind,
        Client = WhatsAppClientKind.BusinessApi,
        AccessToken = new Secret(service.AccessToken),
        PhoneNumberId = service.PhoneNumberId,
        AppSecret = new Secret(service.AppSecret),
        GraphUrl = service.GraphUrl,
    };
}
