using Postroom.Host;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Architecture;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Host.ProgramRun;

namespace Postroom.Tests.Host;

/// <summary>What doctor and the reading commands say of a store is what the start says of it.</summary>
public sealed class DoctorTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Store => Path.Combine(_folder.Path, "data", "postroom.db");

    [Fact]
    public async Task Missing_messages_are_found_by_doctor_told_by_the_reading_commands_and_refused_by_the_start_in_the_same_words()
    {
        await AppendAsync(Store, 2);
        string copy = Path.Combine(_folder.Path, "copy.db");
        Assert.Equal(0, (await RunAsync(_folder.Path, "doctor", "--backup", copy)).Code);
        await AppendAsync(Store, 3);
        Forget();
        File.Move(copy, Store);

        (int started, _, string refusal) = await RunAsync(_folder.Path, "run", "--set", "server.port=1");
        (int looked, string findings, _) = await RunAsync(_folder.Path, "doctor");
        (int listed, string list, string told) = await RunAsync(_folder.Path, "journal", "list");

        Assert.Contains("3 accepted messages are missing.", refusal, StringComparison.Ordinal);
        Assert.Contains("postroom doctor --accept-loss 3", refusal, StringComparison.Ordinal);
        Assert.Equal((4, 1, 0), (started, looked, listed));
        Assert.Contains($"LOOK {refusal.Trim()}", findings, StringComparison.Ordinal);
        Assert.Equal(refusal.Trim(), told.Trim());
        Assert.Contains("order.received", list, StringComparison.Ordinal);

        Assert.Equal(0, (await RunAsync(_folder.Path, "doctor", "--accept-loss", "3")).Code);
        Assert.Equal(0, (await RunAsync(_folder.Path, "doctor")).Code);
    }

    [Fact]
    public async Task Cl3_Doctor_tries_what_a_stopped_program_would_connect_to_and_exits_1_with_what_to_do()
    {
        await using FakeTelegramServer telegram = new();
        await using FakeSmtpServer mail = new(new FakeSmtpOptions { Username = "bot", Password = "right" });
        string authority = Path.Combine(_folder.Path, "ca.pem");
        await File.WriteAllTextAsync(authority, FakeSmtpServer.AuthorityPem, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(_folder.Path, "postroom.yaml"),
            $"queues: {{ orders: {{}} }}\nsources: {{ files: {{ type: folder, path: nowhere, into: orders }} }}\ncommunications:\n  enabled: true\n  backends:\n"
            + $"    shop: {{ type: telegram, token: \"{telegram.Token}\", baseUrl: \"{telegram.Address}\" }}\n"
            + $"    mail: {{ type: email, host: localhost, port: {mail.Port}, fromAddress: bot@example.test, username: bot, password: wrong-canary, caFile: \"{authority}\" }}\n",
            TestContext.Current.CancellationToken);

        (int code, string findings, _) = await RunAsync(_folder.Path, "doctor");

        Assert.Equal(1, code);
        Assert.Contains("ok   communicator shop: signed in as @", findings, StringComparison.Ordinal);
        Assert.Contains($"LOOK communicator mail: SMTP localhost:{mail.Port}: ", findings, StringComparison.Ordinal);
        Assert.Contains("Check username and password", findings, StringComparison.Ordinal);
        Assert.Contains("LOOK source files: ", findings, StringComparison.Ordinal);
        Assert.Contains("sources.files.path", findings, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", findings, StringComparison.Ordinal);
        Assert.False(File.Exists(Store));
    }

    [Fact]
    public async Task Cl3_Doctor_asks_nobody_to_make_what_the_start_makes_with_its_samples()
    {
        File.Copy(Repository.At("apps/MailOrderBot/mail-order-bot.yaml"), Path.Combine(_folder.Path, "postroom.yaml"));

        (int code, string findings, _) = await RunAsync(_folder.Path, "doctor");

        Assert.Contains("ok   source shop-inbox: '", findings, StringComparison.Ordinal);
        Assert.Contains("data/shop/inbox' does not exist yet, and the start makes it.", findings, StringComparison.Ordinal);
        Assert.Contains("ok   source shop-maildir: '", findings, StringComparison.Ordinal);
        Assert.Equal(0, code);

        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(_folder.Path, "data", "shop")).FullName, ".samples"), "");
        Assert.Contains("LOOK source shop-inbox: ", (await RunAsync(_folder.Path, "doctor")).Output, StringComparison.Ordinal); // taken away: the start does not bring it back
    }

    [Fact]
    public void Cl3_Doctor_waits_no_shorter_than_work_does_for_a_dead_address_and_a_slow_greeting()
    {
        Assert.True(DoctorConnections.Limit >= MailTransport.ConnectTimeout + ImapOpening.GreetingTimeout);
        Assert.Contains($"all at once with {DoctorConnections.Limit.TotalSeconds} s each", File.ReadAllText(Repository.At("docs/operations.md")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_is_gone_is_not_taken_for_one_that_was_never_made()
    {
        await AppendAsync(Store, 2);
        Forget();

        (int looked, string findings, _) = await RunAsync(_folder.Path, "doctor");
        (int asked, _, string told) = await RunAsync(_folder.Path, "status");

        Assert.Equal((1, 4), (looked, asked));
        Assert.Contains("is gone or empty", findings, StringComparison.Ordinal);
        Assert.Contains("2 accepted messages are missing.", findings, StringComparison.Ordinal);
        Assert.Contains("postroom doctor --accept-loss 2", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_store_is_told_once_with_one_thing_to_do()
    {
        await AppendAsync(Store, 1);
        byte[] content = await File.ReadAllBytesAsync(Store, TestContext.Current.CancellationToken);
        content.AsSpan(0, 100).Fill(0x55);
        await File.WriteAllBytesAsync(Store, content, TestContext.Current.CancellationToken);

        (int code, string findings, _) = await RunAsync(_folder.Path, "doctor");

        Assert.Equal(1, code);
        string finding = Assert.Single(findings.Split('\n'), line => line.Contains("is damaged", StringComparison.Ordinal));
        Assert.Equal(2, finding.Split("reads what is still readable").Length);
        Assert.DoesNotContain("..", finding, StringComparison.Ordinal);
        Assert.DoesNotContain("Leave it as it is", finding, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damage_inside_a_store_is_found_by_doctor_and_in_the_copy_it_makes()
    {
        await AppendAsync(Store, 40);
        await using (FileStream file = File.OpenWrite(Store))
        {
            file.Position = 8 * 4_096; // an index, which a copy does not look into
            file.Write(Enumerable.Repeat((byte)0x55, 2_048).ToArray());
        }

        (int looked, string findings, _) = await RunAsync(_folder.Path, "doctor");
        (int copied, string copy, _) = await RunAsync(_folder.Path, "doctor", "--backup", Path.Combine(_folder.Path, "copy.db"));

        Assert.Equal((1, 1), (looked, copied));
        Assert.Contains("is damaged", findings, StringComparison.Ordinal);
        Assert.Contains("the copy is damaged as the store is", copy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copy_that_cannot_be_written_says_where_to_put_it()
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // Another system has no folder in which even root cannot make a file.
        }

        await AppendAsync(Store, 1);

        (int code, _, string error) = await RunAsync(_folder.Path, "doctor", "--backup", "/proc/copy.db");

        Assert.Equal(1, code);
        Assert.StartsWith("The copy '/proc/copy.db' cannot be written:", error, StringComparison.Ordinal);
        Assert.Contains("Name a file in a folder that this user can write", error, StringComparison.Ordinal);
    }

    /// <summary>Deletes the database, and leaves the mark beside it. The lock names this process, which lives on.</summary>
    private void Forget()
    {
        foreach (string end in (string[])["", "-wal", "-shm", ".lock"])
        {
            File.Delete(Store + end);
        }
    }
}
