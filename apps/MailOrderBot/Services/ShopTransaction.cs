using System.Globalization;
using System.Text.Json;
using MailOrderBot.Domain;
using Microsoft.Data.Sqlite;

namespace MailOrderBot.Services;

/// <summary>A mail that was dealt with before.</summary>
/// <param name="Sender">Who wrote it.</param>
/// <param name="OrderId">The order it belongs to; null for none.</param>
/// <param name="Answer">What was answered.</param>
internal sealed record KnownMail(string Sender, long? OrderId, Answer Answer);

/// <summary>What can be asked and changed in one transaction of the shop.</summary>
internal sealed class ShopTransaction(SqliteConnection connection, SqliteTransaction transaction)
{
    private const string Articles = "select sku, name, aliases, unit, price_minor, currency, tax_bp, pack_size, stock, active from products";

    /// <summary>The articles.</summary>
    public IReadOnlyList<Product> Products() => ReadProducts(Command(Articles));

    /// <summary>An article that is sold, as it is now; null when there is none of this number.</summary>
    public Product? ProductOnSale(string sku) => ReadProducts(Command($"{Articles} where sku = $sku and active = 1", ("$sku", sku))).SingleOrDefault();

    /// <summary>How many articles are sold.</summary>
    public int CountProducts() => (int)(long)Scalar("select count(*) from products where active = 1")!;

    private static List<Product> ReadProducts(SqliteCommand command)
    {
        using SqliteCommand owned = command;
        using SqliteDataReader row = command.ExecuteReader();
        List<Product> products = [];
        while (row.Read())
        {
            products.Add(new Product
            {
                Sku = row.GetString(0),
                Name = row.GetString(1),
                Aliases = row.GetString(2).Split('|', StringSplitOptions.RemoveEmptyEntries),
                Unit = row.GetString(3),
                PriceMinor = row.GetInt64(4),
                Currency = row.GetString(5),
                TaxBasisPoints = row.GetInt32(6),
                PackSize = row.GetInt32(7),
                Stock = row.GetInt64(8),
                Active = row.GetInt64(9) == 1,
            });
        }

        return products;
    }

    /// <summary>Puts an article into the catalogue. The stock of one that is there stays, unless <paramref name="replaceStock"/>.</summary>
    public void SaveProduct(Product product, bool replaceStock)
    {
        Run(
            """
            insert into products(sku, name, aliases, unit, price_minor, currency, tax_bp, pack_size, stock, active)
            values($sku, $name, $aliases, $unit, $price, $currency, $tax, $pack, $stock, $active)
            on conflict(sku) do update set sku = excluded.sku, name = excluded.name, aliases = excluded.aliases, unit = excluded.unit, price_minor = excluded.price_minor,
              currency = excluded.currency, tax_bp = excluded.tax_bp, pack_size = excluded.pack_size, active = excluded.active,
              stock = case when $replace then excluded.stock else stock end
            """,
            ("$sku", product.Sku), ("$name", product.Name), ("$aliases", string.Join('|', product.Aliases)), ("$unit", product.Unit), ("$price", product.PriceMinor), ("$currency", product.Currency),
            ("$tax", product.TaxBasisPoints), ("$pack", product.PackSize), ("$stock", product.Stock), ("$active", product.Active ? 1 : 0), ("$replace", replaceStock ? 1 : 0));
    }

    /// <summary>Takes an article from sale; orders that name it keep it.</summary>
    public void RetireProduct(string sku) => Run("update products set active = 0 where sku = $sku", ("$sku", sku));

    /// <summary>Notes which catalogue is loaded; whether it is another one than before.</summary>
    public bool NoteCatalogue(string print) => Scalar(
        "insert into loads(what, print) values('catalogue', $print) on conflict(what) do update set print = excluded.print where print <> excluded.print returning 1", ("$print", print)) is not null;

    /// <summary>Whether a customer is blocked; null when there is no such customer.</summary>
    public bool? IsBlocked(string email) => Scalar("select blocked from customers where email = $email", ("$email", email)) is long blocked ? blocked == 1 : null;

    /// <summary>Notes a customer; the name of one that is there stays unless it was empty.</summary>
    public void SaveCustomer(string email, string name) => Run(
        "insert into customers(email, name) values($email, $name) on conflict(email) do update set name = excluded.name where name = ''", ("$email", email), ("$name", name));

    /// <summary>A mail that was dealt with; null for one that was not.</summary>
    public KnownMail? FindMail(string key)
    {
        using SqliteCommand command = Command("select sender, order_id, answer from mails where message_id = $key and direction = 'in'", ("$key", key));
        using SqliteDataReader row = command.ExecuteReader();
        return row.Read() ? new KnownMail(row.GetString(0), row.IsDBNull(1) ? null : row.GetInt64(1), JsonSerializer.Deserialize(row.GetString(2), ShopJson.Default.Answer)!) : null;
    }

    /// <summary>Whether a mail is one that the shop wrote.</summary>
    public bool IsOwn(string id) => Scalar("select 1 from mails where message_id = $id and direction = 'out'", ("$id", id)) is not null;

    /// <summary>The number of the order that a letter of the shop is about; null for none.</summary>
    public string? OrderOf(string id) => Scalar("select o.number from mails m join orders o on o.id = m.order_id where m.message_id = $id and m.direction = 'out'", ("$id", id)) as string;

    /// <summary>Notes a mail and what was answered.</summary>
    public void AddMail(OrderMail mail, long? orderId, Answer answer, DateTimeOffset now) => AddMail(mail.Key, orderId, "in", answer.Outcome, mail.Sender, now, JsonSerializer.Serialize(answer, ShopJson.Default.Answer));

    /// <summary>Notes a mail of the shop.</summary>
    public void AddReply(string id, long? orderId, string outcome, string recipient, DateTimeOffset now) => AddMail(id, orderId, "out", outcome, recipient, now, null);

    /// <summary>How many answers of a kind an order had.</summary>
    public long CountReplies(long orderId, string outcome) =>
        (long)Scalar("select count(*) from mails where order_id = $order and direction = 'out' and outcome = $outcome", ("$order", orderId), ("$outcome", outcome))!;

    /// <summary>How many answers somebody had since an instant that were no confirmation.</summary>
    public long CountQuestions(string recipient, DateTimeOffset since) =>
        (long)Scalar("select count(*) from mails where sender = $recipient and at > $since and direction = 'out' and outcome not in ('confirmed', 'cancelled')", ("$recipient", recipient), ("$since", Text(since)))!;

    /// <summary>The order that a mail of a customer belongs to: by the mails it answers, else by its thread; null for none.</summary>
    public Order? FindOrder(OrderMail mail)
    {
        foreach (string id in mail.Answers)
        {
            if (ReadOrder("join mails m on m.order_id = o.id where m.message_id = $id and o.customer_email = $customer", ("$id", id), ("$customer", mail.Sender)) is { } answered)
            {
                return answered;
            }
        }

        return ReadOrder("where o.conversation = $conversation and o.customer_email = $customer order by o.id desc limit 1", ("$conversation", mail.Conversation), ("$customer", mail.Sender));
    }

    /// <summary>Whether a mail answers a letter that refused its writer something.</summary>
    public bool AnswersRefusal(OrderMail mail) => mail.Answers.Any(id =>
        Scalar("select 1 from mails where message_id = $id and sender = $sender and direction = 'out' and outcome = 'cancel-refused'", ("$id", id), ("$sender", mail.Sender)) is not null);

    /// <summary>An order of a customer by its number; null when there is none.</summary>
    public Order? FindOrder(string number, string customer) => ReadOrder("where o.number = $number and o.customer_email = $customer", ("$number", number), ("$customer", customer));

    /// <summary>The last other order of a thread that is confirmed; null for none.</summary>
    public string? ConfirmedBefore(Order order, OrderMail mail) => (FindOrder(mail) is { Status: OrderStatus.Confirmed } answered && answered.Id != order.Id
        ? answered.Number
        : Scalar(
            "select number from orders where conversation = $conversation and customer_email = $customer and status = 'confirmed' and id <> $id order by id desc limit 1",
            ("$conversation", mail.Conversation),
            ("$customer", mail.Sender),
            ("$id", order.Id))) as string;

    /// <summary>The next number of a year.</summary>
    /// <exception cref="InvalidOperationException">The year has no number left.</exception>
    public string NextNumber(int year)
    {
        string prefix = OrderNumber.Format(year, 0)[..8];
        int last = Scalar("select max(number) from orders where number >= $from and number <= $to", ("$from", prefix), ("$to", prefix + "999999")) is string number ? int.Parse(number.AsSpan(8), CultureInfo.InvariantCulture) : 0;
        return last < OrderNumber.Max ? OrderNumber.Format(year, last + 1) : throw new InvalidOperationException($"The year {year} has {OrderNumber.Max} orders, and its numbers have six digits. Order numbers begin again next year.");
    }

    /// <summary>Saves an order with its lines in place of what it had; its row key.</summary>
    public long SaveOrder(Order order, CheckedOrder content, OrderMail mail, DateTimeOffset now)
    {
        (string, object?)[] values =
        [
            ("$id", order.Id), ("$number", order.Number), ("$message", mail.Key), ("$conversation", mail.Conversation), ("$customer", order.Customer), ("$reference", order.Reference), ("$shipTo", order.ShipTo), ("$note", order.Note),
            ("$status", order.Status), ("$currency", content.Currency), ("$net", content.NetMinor), ("$tax", content.TaxMinor), ("$gross", content.GrossMinor), ("$now", Text(now)),
        ];
        long id = (long)Scalar(
            order.Id == 0
                ? "insert into orders(number, message_id, conversation, customer_email, reference, ship_to, note, status, currency, net_minor, tax_minor, gross_minor, created_at, updated_at) "
                    + "values($number, $message, $conversation, $customer, $reference, $shipTo, $note, $status, $currency, $net, $tax, $gross, $now, $now) returning id"
                : "update orders set reference = $reference, ship_to = $shipTo, note = $note, status = $status, currency = $currency, net_minor = $net, tax_minor = $tax, gross_minor = $gross, updated_at = $now "
                    + "where id = $id and status = 'clarification' returning id",
            values)!;
        Run("delete from order_lines where order_id = $id", ("$id", id));
        for (int i = 0; i < content.Lines.Count; i++)
        {
            CheckedLine line = content.Lines[i];
            Run(
                "insert into order_lines(order_id, line_no, raw, sku, quantity, unit_price_minor, net_minor, tax_minor, problem) values($order, $line, $raw, $sku, $quantity, $price, $net, $tax, $problem)",
                ("$order", id), ("$line", i + 1), ("$raw", line.Raw), ("$sku", line.Product?.Sku), ("$quantity", line.Quantity), ("$price", line.Product?.PriceMinor), ("$net", line.NetMinor), ("$tax", line.TaxMinor), ("$problem", line.Problem?.Text));
        }

        return id;
    }

    /// <summary>Saves what an unclear order says beside its lines, which stay.</summary>
    public void SaveDetails(Order order, DateTimeOffset now) => Run(
        "update orders set reference = $reference, ship_to = $shipTo, note = $note, status = $status, updated_at = $now where id = $id and status = 'clarification'",
        ("$reference", order.Reference), ("$shipTo", order.ShipTo), ("$note", order.Note), ("$status", order.Status), ("$now", Text(now)), ("$id", order.Id));

    /// <summary>Moves an order to another status.</summary>
    public void SetStatus(Order order, string status, DateTimeOffset now) =>
        Run("update orders set status = $status, updated_at = $now where id = $id and status = $old", ("$status", status), ("$now", Text(now)), ("$id", order.Id), ("$old", order.Status));

    /// <summary>Takes what an order has from the stock.</summary>
    public void TakeStock(long orderId, CheckedOrder content, DateTimeOffset now)
    {
        foreach (CheckedLine line in content.Lines)
        {
            Move(line.Product!.Sku, orderId, -line.Quantity!.Value, now);
        }
    }

    /// <summary>Gives what an order took back to the stock.</summary>
    public void ReturnStock(long orderId, DateTimeOffset now)
    {
        List<(string Sku, long Taken)> taken = [];
        using (SqliteCommand command = Command("select sku, -sum(delta) from stock_moves where order_id = $id group by sku having sum(delta) <> 0 order by sku", ("$id", orderId)))
        using (SqliteDataReader row = command.ExecuteReader())
        {
            while (row.Read())
            {
                taken.Add((row.GetString(0), row.GetInt64(1)));
            }
        }

        taken.ForEach(pair => Move(pair.Sku, orderId, pair.Taken, now));
    }

    /// <summary>How many orders have each status.</summary>
    public IReadOnlyDictionary<string, long> CountOrders()
    {
        Dictionary<string, long> counts = [];
        using SqliteCommand command = Command("select status, count(*) from orders group by status");
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            counts[row.GetString(0)] = row.GetInt64(1);
        }

        return counts;
    }

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private void Move(string sku, long orderId, long delta, DateTimeOffset now)
    {
        Run("update products set stock = stock + $delta where sku = $sku", ("$delta", delta), ("$sku", sku));
        Run("insert into stock_moves(sku, order_id, delta, at) values($sku, $order, $delta, $now)", ("$sku", sku), ("$order", orderId), ("$delta", delta), ("$now", Text(now)));
    }

    private void AddMail(string id, long? orderId, string direction, string outcome, string sender, DateTimeOffset now, string? answer) => Run(
        "insert into mails(message_id, order_id, direction, outcome, sender, at, answer) values($id, $order, $direction, $outcome, $sender, $now, $answer)",
        ("$id", id), ("$order", orderId), ("$direction", direction), ("$outcome", outcome), ("$sender", sender), ("$now", Text(now)), ("$answer", answer));

    private Order? ReadOrder(string where, params (string, object?)[] values)
    {
        using SqliteCommand command = Command($"select o.id, o.number, o.customer_email, o.status, o.reference, o.ship_to, o.note, o.updated_at from orders o {where}", values);
        using SqliteDataReader row = command.ExecuteReader();
        return row.Read()
            ? new Order
            {
                Id = row.GetInt64(0),
                Number = row.GetString(1),
                Customer = row.GetString(2),
                Status = row.GetString(3),
                Reference = row.IsDBNull(4) ? null : row.GetString(4),
                ShipTo = row.IsDBNull(5) ? null : row.GetString(5),
                Note = row.IsDBNull(6) ? null : row.GetString(6),
                UpdatedAt = DateTimeOffset.Parse(row.GetString(7), CultureInfo.InvariantCulture),
            }
            : null;
    }

    private void Run(string sql, params (string, object?)[] values)
    {
        using SqliteCommand command = Command(sql, values);
        command.ExecuteNonQuery();
    }

    private object? Scalar(string sql, params (string, object?)[] values)
    {
        using SqliteCommand command = Command(sql, values);
        return command.ExecuteScalar() is var value and not DBNull ? value : null;
    }

    private SqliteCommand Command(string sql, params (string Name, object? Value)[] values)
    {
        SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // The texts are constants of this class; values are parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach ((string name, object? value) in values)
        {
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        }

        return command;
    }
}
