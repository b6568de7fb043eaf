using System.Security.Cryptography;
using System.Text;
using Postroom.Crash;
using Postroom.Testing;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>The samples that are built, each once.</summary>
public sealed class BuiltSamples
{
    /// <summary>The folder of each sample that was built.</summary>
    public Dictionary<string, string> Folders { get; } = new(StringComparer.Ordinal);
}

/// <summary>The samples as people run them. They measure no time, so they are built beside other tests, one after the other.</summary>
public sealed partial class SampleTests(BuiltSamples samples) : IClassFixture<BuiltSamples>
{
    [Theory]
    [InlineData("receive", "hello", "You said: hello")]
    [InlineData("handler", "hello", "You wrote 5 characters.")]
    [InlineData("orders", "chair 2", "2 of chair are on their way.")]
    public async Task The_samples_compile_and_answer_the_web_chat(string sample, string text, string answer)
    {
        await using RealProgram program = new();
        string built = await BuildSampleAsync($"{sample}.cs", analyze: false);

        program.StartProcess(Path.Combine(built, $"{sample}.dll"), [], []);
        await WaitAsync(async () => !program.Process.HasExited && await AnswersHealthAsync(program));
        await program.PostAsync("1099", text);

        Assert.Equal(answer, Assert.Single(await program.ListenAsync("1099", 1, after: "0")).Text);
        Assert.Contains($"Started. Web chat: {program.Address}chat. Data: {program.Store} ", program.Process.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("has no worker pool", program.Process.Output, StringComparison.Ordinal); // 'receive' opens its receiver later
        Assert.Equal(0, (await program.StopAsync()).Code);
        Assert.Contains("Stopped in order; nothing is in work.", program.Process.Output, StringComparison.Ordinal);

        program.StartProcess(Path.Combine(built, $"{sample}.dll"), ["--set", "store.kind=oracle"], []);
        Assert.Equal(3, await program.Process.WaitAsync().WaitAsync(TimeSpan.FromMinutes(1), RealProgram.Cancel));
        Assert.Contains("store.kind is 'oracle'", program.Process.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", program.Process.Output, StringComparison.Ordinal); // it catches nothing, and no stack is shown
    }

    [Fact]
    public async Task The_sample_bot_is_on_four_channels_from_its_one_file()
    {
        await using RealProgram program = new();
        await using FakeTelegramServer telegram = new();
        await using FakeWhatsAppServer whatsApp = new();
        await using FakeSmtpServer smtp = new(new FakeSmtpOptions { Username = "bot", Password = "secret-canary" });
        FakeTelegramChat operators = telegram.AddChat(77);
        FakeTelegramChat ann = telegram.AddChat(7);
        string authority = Path.Combine(program.Folder, "ca.pem");
        await File.WriteAllTextAsync(authority, FakeSmtpServer.AuthorityPem, RealProgram.Cancel);
        string built = await BuildSampleAsync("bot.cs", analyze: false);
        const string Backends = "communications.backends";
        program.StartProcess(
            Path.Combine(built, "bot.dll"),
            [
                "--config", Path.Combine(Samples, "bot.yaml"),
                .. Set($"{Backends}.telegram.token={telegram.Token}", $"{Backends}.telegram.baseUrl={telegram.Address}", $"{Backends}.telegram.chats.operators.chatId=77",
                    $"{Backends}.whatsapp.graphUrl={whatsApp.GraphUrl}", $"{Backends}.whatsapp.phoneNumberId={whatsApp.PhoneNumberId}", $"{Backends}.whatsapp.accessToken={whatsApp.AccessToken}",
                    $"{Backends}.whatsapp.appSecret={whatsApp.AppSecret}", $"{Backends}.whatsapp.verifyToken=word", $"{Backends}.whatsapp.chats.default.number=+491700000000",
                    $"{Backends}.mail.host=localhost", $"{Backends}.mail.port={smtp.Port}", $"{Backends}.mail.caFile={authority}", $"{Backends}.mail.username=bot", $"{Backends}.mail.password=secret-canary",
                    $"{Backends}.mail.fromAddress=bot@example.org", $"{Backends}.mail.defaultRecipients=[\"ops@example.org\"]",
                    "sources.mailbox.enabled=false", "sources.mailbox.host=localhost", "sources.mailbox.username=bot", "sources.mailbox.password=secret-canary"),
            ],
            []);
        await WaitAsync(async () => !program.Process.HasExited && await AnswersHealthAsync(program));

        using HttpResponseMessage posted = await program.SendAsync(new { sender = "bob", msg_type = "chat", raw_msg = "/tell The shop is closed.", client_type = "chat" });
        Assert.True(posted.IsSuccessStatusCode);
        await WaitAsync(() => Task.FromResult(operators.Messages.Count == 1 && smtp.Mails.Count == 1));
        Assert.Equal("The shop is closed.", operators.Messages[0].Text);
        Assert.Equal("They are told.", Assert.Single(await program.ListenAsync("bob", 1, after: "0")).Text);

        telegram.Say(ann, 7, "hello");
        await WaitAsync(() => Task.FromResult(ann.Messages.Count == 1));
        Assert.Equal("You wrote 5 characters.", ann.Messages[0].Text);

        string post = whatsApp.Post().Text("491701234567", "wamid.IN1", DateTimeOffset.UtcNow, "hello").ToString();
        Assert.Equal(200, (await whatsApp.PostAsync(new Uri(program.Address, "whatsapp-incoming"), post, RealProgram.Cancel)).Status);
        await WaitAsync(() => Task.FromResult(whatsApp.Messages.Any(message => message.Type == "text")));
        Assert.Equal(0, (await program.StopAsync()).Code);
        Assert.DoesNotContain(telegram.Token, program.Process.Output, StringComparison.Ordinal);

        static string[] Set(params string[] settings) => [.. settings.SelectMany(setting => new[] { "--set", setting })];
    }

    [Fact]
    public async Task The_sample_of_an_adapter_receives_and_answers_by_files_and_takes_posts_that_are_proved()
    {
        await using RealProgram program = new();
        string built = await BuildSampleAsync("adapter.cs", analyze: false);
        await File.WriteAllTextAsync(Path.Combine(program.Folder, "letters.key"), "letters-canary", RealProgram.Cancel);
        program.StartProcess(Path.Combine(built, "adapter.dll"), [], ["intake.webhook.perAddress=2/h"], program.Folder);
        await WaitAsync(async () => !program.Process.HasExited && await AnswersHealthAsync(program));

        string letters = Path.Combine(program.Folder, "letters");
        await File.WriteAllTextAsync(Path.Combine(letters, "ann-1.tmp"), "hello", RealProgram.Cancel);
        File.Move(Path.Combine(letters, "ann-1.tmp"), Path.Combine(letters, "in", "ann-1.txt"));
        await WaitAsync(() => Task.FromResult(Directory.GetFiles(Path.Combine(letters, "out"), "*.txt").Length == 1));

        Assert.Equal("ann\nYou wrote: hello", await File.ReadAllTextAsync(Directory.GetFiles(Path.Combine(letters, "out"), "*.txt")[0], RealProgram.Cancel));
        Assert.Empty(Directory.GetFiles(Path.Combine(letters, "in")));

        async Task<int> PostAsync(string text, string header, string value)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, new Uri(program.Address, "letters?from=ben")) { Content = new StringContent(text) };
            request.Headers.Add(header, value);
            using HttpResponseMessage answer = await program.Http.SendAsync(request, RealProgram.Cancel);
            return (int)answer.StatusCode;
        }

        static string Sign(string key, string text) => Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(text)));
        int[] strangers =
        [
            await PostAsync("x", "X-Other", "x"), await PostAsync("x", "X-Letters-Word", "guess"), // they use the address up
            await PostAsync("x", "X-Letters-Word", "guess"), await PostAsync("x", "X-Letters-Signature", Sign("guess", "x")),
        ];
        int[] proved = [await PostAsync("by word", "X-Letters-Word", "letters-canary"), await PostAsync("signed", "X-Letters-Signature", Sign("letters-canary", "signed"))];
        Assert.Equal([401, 401, 429, 429], strangers);
        Assert.Equal([200, 200], proved);
        await WaitAsync(() => Task.FromResult(Directory.GetFiles(Path.Combine(letters, "out"), "*.txt").Length == 3));
        Assert.Equal(0, (await program.StopAsync()).Code);
    }

    [Fact]
    public async Task A_copy_of_a_sample_compiles_after_an_edit_that_has_nothing_of_this_repositorys_style()
    {
        string copy = $"copy-{Guid.NewGuid():N}.cs";
        string file = Path.Combine(Samples, copy);
        string code = await File.ReadAllTextAsync(Path.Combine(Samples, "receive.cs"), RealProgram.Cancel);
        try
        {
            await File.WriteAllTextAsync(file, code.Replace("    await office.ReplyAsync", "    if (message.RawPayload == \"wait\") await Task.Delay(100);\n    await office.ReplyAsync", StringComparison.Ordinal), RealProgram.Cancel);

            await BuildSampleAsync(copy, analyze: true);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string Samples
    {
        get
        {
            DirectoryInfo root = new(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(root.FullName, "Postroom.slnx")))
            {
                root = root.Parent!;
            }

            return Path.Combine(root.FullName, "samples");
        }
    }

    /// <summary>Builds a sample, with the analyzers that a person who runs it has or without them; where it was built to.</summary>
    private async Task<string> BuildSampleAsync(string sample, bool analyze)
    {
        if (!analyze && samples.Folders.TryGetValue(sample, out string? known))
        {
            return known;
        }

        // As the tests were built, and to where it goes by itself: a folder of its own would be one for what the sample refers to as well, which is then compiled again.
        using System.Diagnostics.Process build = Shell.Start(
            "dotnet",
            ["build", Path.Combine(Samples, sample), "-c", "Release", "--nologo", "-v", "quiet", "-t:Build", "-getProperty:TargetDir"],
            new Dictionary<string, string> { ["SampleAnalyzers"] = analyze ? "true" : "false" });
        string text = await build.StandardOutput.ReadToEndAsync(RealProgram.Cancel);
        await build.WaitForExitAsync(RealProgram.Cancel);
        Assert.True(build.ExitCode == 0, text);
        return samples.Folders[sample] = text.Trim();
    }

    private static async Task<bool> AnswersHealthAsync(RealProgram program)
    {
        try
        {
            using HttpResponseMessage answer = await program.Http.GetAsync(new Uri(program.Address, "health/ready"), RealProgram.Cancel);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task WaitAsync(Func<Task<bool>> condition)
    {
        for (int trial = 0; !await condition(); trial++)
        {
            Assert.True(trial < 1_200, "Waited a minute.");
            await Task.Delay(50, RealProgram.Cancel);
        }
    }
}
