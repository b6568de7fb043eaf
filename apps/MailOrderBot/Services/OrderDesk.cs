using System.Globalization;
using MailOrderBot.Domain;
using Postroom.Configuration;

namespace MailOrderBot.Services;

/// <summary>Deals with one mail in one transaction of the shop, and says what is to be answered. A mail that was dealt with gives the recorded answer (MB-17).</summary>
/// <remarks>Safe for concurrent use.</remarks>
internal sealed class OrderDesk(ShopDatabase shop, IRuntimeConfiguration configuration, TimeProvider clock)
{
    private const int MostCancelled = 20; // orders, by one mail

    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    /// <summary>Deals with a mail. When this returns, its effect and its answer are on disk.</summary>
    /// <returns>The key that the shop has the mail under, which is not always its Message-ID, and the answer.</returns>
    public async Task<(string Key, Answer Answer)> HandleAsync(OrderMail mail, CancellationToken cancellationToken)
    {
        MailOrderOptions options = configuration.Current.Get<MailOrderOptions>(MailOrderOptions.Section);
        MailContent content = await ReadAsync(mail, options, cancellationToken);
        return await shop.WriteAsync(
            transaction =>
            {
                if (transaction.FindMail(mail.Key) is { } known)
                {
                    if (known.Sender == mail.Sender)
                    {
                        return (mail.Key, known.Answer);
                    }

                    // Ids are the sender's to choose: one that another customer's mail has must not bring that customer's answer.
                    mail = mail with { Key = $"{mail.Key} {mail.Sender}" };
                    if (transaction.FindMail(mail.Key) is { } again)
                    {
                        return (mail.Key, again.Answer);
                    }
                }

                return (mail.Key, new Work(transaction, options, new Letters(options), mail, content, clock.GetUtcNow()).Run());
            },
            cancellationToken);
    }

    /// <summary>Reads what a mail says, before the shop is held for it: that takes as long as its writer likes.</summary>
    private async Task<MailContent> ReadAsync(OrderMail mail, MailOrderOptions options, CancellationToken cancellationToken)
    {
        if (mail.Ignored is not null)
        {
            return MailContent.None;
        }

        OrderRequest request = mail.ReadRequest(cancellationToken);
        Catalogue catalogue = request.Lines.Count == 0 && request.Rest.Count == 0 && request.Beside is null ? new Catalogue([]) : new Catalogue(await shop.ReadAsync(transaction => transaction.Products(), cancellationToken));
        ResolvedOrder order = new OrderChecker(options.Limits).Resolve(request, catalogue, SuggestionBudget.For(options.Limits), cancellationToken);
        shop.Passing?.Invoke("read");
        return new MailContent(request, order);
    }

    /// <summary>What a mail says.</summary>
    /// <param name="Request">What it asks for.</param>
    /// <param name="Order">The articles of that.</param>
    private sealed record MailContent(OrderRequest Request, ResolvedOrder Order)
    {
        public static MailContent None { get; } = new(new OrderRequest(), new ResolvedOrder([], []));
    }

    /// <summary>The work on one mail.</summary>
    private sealed class Work(ShopTransaction shop, MailOrderOptions options, Letters letters, OrderMail mail, MailContent said, DateTimeOffset now)
    {
        public Answer Run()
        {
            (long? orderId, Answer answer) = Decide();
            shop.AddMail(mail, orderId, answer, now);
            if (answer.Letter is { } letter)
            {
                shop.AddReply(letter.Id, orderId, answer.Outcome, mail.Sender, now);
            }

            return answer;
        }

        private (long?, Answer) Decide()
        {
            if (Ignored() is { } reason)
            {
                return (null, Silent($"ignored: {reason.Why}", reason.Notice));
            }

            return said.Request.Cancels.Count > 0 ? Cancel(said.Request.Cancels) : Order();
        }

        /// <summary>What becomes of a mail that cancels nothing, or of the rest of one that does.</summary>
        private (long?, Answer) Order()
        {
            OrderRequest request = said.Request;
            Order? order = shop.FindOrder(mail);
            if (order?.Status == OrderStatus.NeedsPerson)
            {
                return (order.Id, Silent("passed-on", new Notice(NoticeLevel.Warning, $"{mail.Sender} wrote again about {order.Number}, which waits for a person: {Subject()}")));
            }

            if (request is { CancelWords: { } cancelling, Cancels.Count: 0 })
            {
                return AskedToCancel(order, cancelling);
            }

            if (request.NoOrderWords is { } words)
            {
                return ForPerson(order, words);
            }

            switch (order?.Status)
            {
                case OrderStatus.Confirmed or OrderStatus.Cancelled when !said.Order.NamesArticle:
                    return (order.Id, Silent("passed-on", said.Order.IsNone
                        ? new Notice(NoticeLevel.Info, $"{mail.Sender} wrote about {order.Number} ({order.Status}) and orders nothing new: {Subject()}")
                        : new Notice(NoticeLevel.Warning, $"{mail.Sender} wrote about {order.Number} ({order.Status}) and was not answered; whether it orders more has to be read: {Subject()}")));
                case null when shop.AnswersRefusal(mail) && !said.Order.NamesArticle:
                    return (null, Silent("passed-on", new Notice(NoticeLevel.Info, $"{mail.Sender} answered a refused cancellation: {Subject()}")));
                default:
                    return Save(Begun(order));
            }
        }

        /// <summary>The order of the thread that was asked about, with what the mail says of it, or a new one.</summary>
        private Order Begun(Order? order)
        {
            OrderRequest request = said.Request;
            return order?.Status == OrderStatus.Clarification
                ? order with { Reference = request.Reference ?? order.Reference, ShipTo = request.ShipTo ?? order.ShipTo, Note = request.Note ?? order.Note }
                : new Order { Number = "", Customer = mail.Sender, Status = OrderStatus.Clarification, Reference = request.Reference, ShipTo = request.ShipTo, Note = request.Note };
        }

        /// <summary>A mail that speaks of a cancellation in its own words: the letter names the line that cancels, and a person reads along.</summary>
        private (long?, Answer) AskedToCancel(Order? order, string words)
        {
            string? number = OrderNumber.FirstIn(words) ?? order?.Number;
            Notice notice = new(NoticeLevel.Warning, $"{mail.Sender} speaks of a cancellation{(number is null ? "" : $" ({number})")}, and nothing is cancelled yet: \"{Shown(words)}\". {Subject()}");
            if (!said.Order.NamesArticle)
            {
                return TalksTooMuch() is { } silence ? (order?.Id, silence) : (order?.Id, new Answer("cancel-asked", letters.HowToCancel(words, number, mail), [notice]));
            }

            string problem = $"Your mail speaks of a cancellation: \"{Shown(words)}\". If you want to cancel an order, send a mail with the line CANCEL {number ?? "and its number"}. If you want to order, send the lines once more without it.";
            said = said with { Order = said.Order with { Problems = [.. said.Order.Problems, problem] } };
            (long? id, Answer answer) = Save(Begun(order));
            return (id, answer with { Notices = [notice, .. answer.Notices] });
        }

        /// <summary>A mail with words that no order has: a person reads it, whatever else it says.</summary>
        private (long?, Answer) ForPerson(Order? order, string words)
        {
            if (TalksTooMuch() is { } silence)
            {
                return (order?.Id, silence);
            }

            return order?.Status == OrderStatus.Clarification || said.Order.NamesArticle
                ? Save(Begun(order), words)
                : (order?.Id, new Answer("passed-on", letters.ForPerson(null, words, mail), [NoOrderNotice(order, words)]));
        }

        private Notice NoOrderNotice(Order? order, string words) =>
            new(NoticeLevel.Warning, $"{order?.Number ?? "A mail"} of {mail.Sender} needs a person, who was promised to the customer: \"{Shown(words)}\". {Subject()}");

        /// <summary>Why nobody is answered; null when somebody is.</summary>
        private (string Why, Notice? Notice)? Ignored()
        {
            bool? blocked = shop.IsBlocked(mail.Sender);
            return mail.Ignored is { } why ? (why, LetterLost())
                : shop.IsOwn(LocalPart(mail.Key)) ? ("it is the shop's own", null)
                : blocked == true ? ("the customer is blocked", null)
                : blocked is null && options.AcceptFrom == AcceptedSenders.Known ? ("the sender is not known", new Notice(NoticeLevel.Warning, $"{mail.Sender} is no known customer and was not answered: {Subject()}"))
                : null;
        }

        /// <summary>What operators are told when a mail server gives up a letter of the shop; null when the mail reports no such thing.</summary>
        private Notice? LetterLost()
        {
            return mail.Undelivered is { } report && shop.IsOwn(report.Letter)
                ? Letters.NotDelivered(shop.OrderOf(report.Letter), report.Recipient, report.Reason)
                : null;
        }

        /// <summary>Prices an order, saves it, and answers.</summary>
        /// <param name="order">The order; without a row when it is new.</param>
        /// <param name="noOrder">The words for which a person has to read it; null for none.</param>
        private (long?, Answer) Save(Order order, string? noOrder = null)
        {
            CheckedOrder content = new OrderChecker(options.Limits).Price(said.Order, shop.ProductOnSale);
            long asked = order.Id == 0 ? 0 : shop.CountReplies(order.Id, OrderStatus.Clarification);
            order = order with { Status = noOrder is not null ? OrderStatus.NeedsPerson : content.IsGood ? OrderStatus.Confirmed : asked < options.MaxClarifications ? OrderStatus.Clarification : OrderStatus.NeedsPerson };
            if (order.Status == OrderStatus.Clarification && TalksTooMuch() is { } silence)
            {
                return (order.Id == 0 ? null : order.Id, silence);
            }

            shop.SaveCustomer(mail.Sender, mail.SenderName);
            order = order.Id == 0 ? order with { Number = shop.NextNumber(now.Year) } : order;
            if (order.Id == 0 || content.HasOrderLines)
            {
                order = order with { Id = shop.SaveOrder(order, content, mail, now) };
            }
            else
            {
                shop.SaveDetails(order, now); // what was asked about stays to be seen
            }

            switch (order.Status)
            {
                case OrderStatus.Confirmed:
                    shop.TakeStock(order.Id, content, now);
                    return (order.Id, new Answer(order.Status, letters.Confirmed(order, content, mail, shop.ConfirmedBefore(order, mail)), [.. ConfirmedNotices(order, content)]));
                case OrderStatus.Clarification:
                    return (order.Id, new Answer(order.Status, letters.Clarification(order, content, mail, said.Request.Forwards), []));
                default:
                    if (noOrder is not null)
                    {
                        return (order.Id, new Answer(order.Status, letters.ForPerson(order, noOrder, mail), [NoOrderNotice(order, noOrder)]));
                    }

                    return (order.Id, new Answer(order.Status, letters.NeedsPerson(order, mail), [new Notice(NoticeLevel.Warning, $"{order.Number} of {mail.Sender} needs a person: it is unclear after {asked} question{(asked == 1 ? "" : "s")}. {Subject()}")]));
            }
        }

        private IEnumerable<Notice> ConfirmedNotices(Order order, CheckedOrder content)
        {
            string total = Money.Format(content.GrossMinor, content.Currency);
            yield return new Notice(NoticeLevel.Info, string.Create(CultureInfo.InvariantCulture, $"New order {order.Number} of {mail.Sender}: {content.Lines.Count} line{(content.Lines.Count == 1 ? "" : "s")}, {total}."));
            if (options.NotifyAbove is { } limit && content.Currency == options.Currency && content.GrossMinor > limit)
            {
                yield return new Notice(NoticeLevel.Warning, $"Order {order.Number} of {mail.Sender} is {total}, above {Money.Format(limit, options.Currency)}.");
            }
        }

        /// <summary>Takes orders back as far as that is possible, and does what else the mail asks for.</summary>
        private (long?, Answer) Cancel(IReadOnlyList<string> numbers)
        {
            long? first = null;
            List<string> results = [];
            List<Notice> notices = [];
            foreach (string number in numbers.Take(MostCancelled))
            {
                Order? order = shop.FindOrder(number, mail.Sender);
                first ??= order?.Id;
                if (WhyNotCancelled(order) is { } refusal)
                {
                    results.Add($"we could not cancel {number}: {refusal}");
                    continue;
                }

                shop.ReturnStock(order!.Id, now);
                shop.SetStatus(order, OrderStatus.Cancelled, now);
                results.Add(Letters.Cancelled(order));
                notices.Add(new Notice(NoticeLevel.Info, $"{mail.Sender} cancelled {order.Number}."));
            }

            bool isRefused = notices.Count < numbers.Count;
            if (said.Order.NamesArticle)
            {
                letters = new Letters(options, results);
                (long? id, Answer answer) = isRefused ? ForPerson(null, $"CANCEL {string.Join(", CANCEL ", numbers.Take(MostCancelled))}") : Order();
                return (id, answer with { Notices = [.. notices, .. answer.Notices] });
            }

            if (notices.Count == 0 && TalksTooMuch() is { } silence)
            {
                return (first, silence);
            }

            return (first, new Answer(notices.Count > 0 ? OrderStatus.Cancelled : "cancel-refused", letters.Cancellations(results, isRefused, mail), notices));
        }

        private string? WhyNotCancelled(Order? order)
        {
            DateTimeOffset? until = order?.UpdatedAt + options.CancelWindow;
            return order is null ? "there is no such order from your address."
                : order.Status == OrderStatus.Cancelled ? "it is cancelled already."
                : order.Status == OrderStatus.Confirmed && now > until ? $"that was possible until {until.Value.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)} UTC, {Letters.Words(options.CancelWindow)} after its confirmation."
                : null;
        }

        /// <summary>No answer, because the address got so many: it is most likely a machine.</summary>
        private Answer? TalksTooMuch()
        {
            return shop.CountQuestions(mail.Sender, now - Hour) < options.MaxQuestionsPerHour
                ? null
                : Silent("ignored: too many questions", new Notice(NoticeLevel.Warning, string.Create(CultureInfo.InvariantCulture, $"{mail.Sender} got {options.MaxQuestionsPerHour} questions within an hour (mailOrder.maxQuestionsPerHour) and is not answered now: {Subject()}")));
        }

        private static Answer Silent(string outcome, Notice? notice) => new(outcome, null, notice is null ? [] : [notice]);

        private string Subject() => mail.Subject.Length == 0 ? "(no subject)" : mail.Subject.Length <= 120 ? mail.Subject : $"{mail.Subject[..119]}…";

        private static string Shown(string words) => words.Length <= 200 ? words : $"{words[..(char.IsHighSurrogate(words[199]) ? 199 : 200)]}…";

        private static string LocalPart(string id) => id.Trim('<', '>').Split('@')[0];
    }
}
