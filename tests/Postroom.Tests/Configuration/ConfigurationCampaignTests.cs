using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Configuration;

/// <summary>Random edits of a settings file, half of them broken or half-written: what is in force is always one whole valid file's.</summary>
/// <remarks>50 edits among the tests; POSTROOM_CONFIG_EDITS=500 makes the campaign, POSTROOM_SEED repeats one.</remarks>
public sealed class ConfigurationCampaignTests(ITestOutputHelper output) : ConfigurationTest
{
    private const int Usual = 50;

    [Fact]
    public async Task What_is_in_force_is_always_one_whole_valid_file_and_each_broken_one_is_reported_with_key_and_line()
    {
        int edits = Number("POSTROOM_CONFIG_EDITS") ?? Usual;
        int seed = Number("POSTROOM_SEED") ?? Environment.TickCount & 0xFFFFF;
        output.WriteLine($"POSTROOM_SEED={seed}, {edits} edits");
        Random random = new(seed);
        ManualClock clock = new();
        Write("postroom.yaml", Valid(1));
        using RuntimeConfiguration configuration = await RuntimeConfiguration.LoadAsync(Sources(File("postroom.yaml")), Redactor, clock, NullLogger.Instance, Cancel);
        int told = 0;
        configuration.Subscribe<LimitsOptions>("limits", (change, _) =>
        {
            told = change.New.Hops;
            return ValueTask.CompletedTask;
        });
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task<long> watched = Task.Run(() => WatchWhole(configuration, stop.Token), Cancel);

        int inForce = 1;
        int broken = 0;
        for (int edit = 2; edit < edits + 2; edit++)
        {
            clock.Advance(TimeSpan.FromSeconds(1)); // reloads are a second apart
            bool breaks = random.Next(2) == 0;
            (string? key, string? text) = breaks ? Broken(edit, random) : (null, Valid(edit));
            if (text is null)
            {
                System.IO.File.Delete(File("postroom.yaml"));
            }
            else
            {
                await System.IO.File.WriteAllBytesAsync(File("postroom.yaml"), Encoding.Latin1.GetBytes(text), Cancel);
            }

            ReloadResult result = await configuration.ReloadAsync(previous: false, Cancel);

            Assert.True(result.Applied == !breaks, $"Edit {edit}: {text}");
            if (breaks)
            {
                broken++;
                Assert.NotEmpty(result.Problems);
                Assert.All(result.Problems, problem => Assert.True(problem.Origin.Source == File("postroom.yaml") && (problem.Origin.Line > 0 || string.IsNullOrEmpty(text)), $"Edit {edit}: {problem}"));
                Assert.True(key is null || result.Problems.Any(problem => problem.Key == key), $"Edit {edit}: {string.Join(' ', result.Problems)}");
                Assert.Equal(result.Problems, configuration.Problems);
            }
            else
            {
                inForce = edit;
                Assert.Empty(configuration.Problems);
                Assert.Equal(edit, told);
            }

            Assert.Equal(inForce, configuration.Get<LimitsOptions>("limits").Hops);
        }

        await stop.CancelAsync();
        long seen = await watched;
        output.WriteLine($"{broken} of {edits} were broken; {seen} looks beside them saw whole files only.");
        Assert.InRange(broken, 1, edits - 1);
    }

    /// <summary>A file in which one number is everywhere, so that a mixture of two shows.</summary>
    private static string Valid(int number) => string.Create(CultureInfo.InvariantCulture, $$"""
        limits: {
          hops: {{number}}, staged: {{number}}, body: {{number}},
          contacts: {{number}}
        }
        workers: { router: { parallelism: {{((number - 1) % 1_024) + 1}} }, w{{number}}: { queue: in } }
        runtime: { name: n{{number}} }

        """);

    /// <summary>A file that must be refused, and the key that has to be named; null where the text as a whole is none.</summary>
    private static (string? Key, string? Text) Broken(int number, Random random)
    {
        string valid = Valid(number);
        return random.Next(9) switch
        {
            0 => ("limits.hops", valid.Replace($"hops: {number}", "hops: many", StringComparison.Ordinal)),
            1 => ("limits.hops", valid.Replace($"hops: {number}", "hops: 0", StringComparison.Ordinal)),
            2 => ("limitz", valid + "limitz: { hops: 3 }\n"),
            3 => ("runtime.drainTimeout", valid.Replace("runtime: {", "runtime: { drainTimeout: 60s, stopTimeout: 30s,", StringComparison.Ordinal)),
            4 => (null, valid[..random.Next(9, valid.IndexOf('}', StringComparison.Ordinal))]), // the writer is not done
            5 => (null, valid + "limits: { hops: 3 }\n"),
            6 => (null, valid + "logging: { level: \"\u00ff\u00fe\" }\n"), // bytes that are no UTF-8
            7 => (null, ""),
            _ => (null, null), // gone
        };
    }

    /// <summary>Looks again and again; every snapshot has to be of one file.</summary>
    private static long WatchWhole(RuntimeConfiguration configuration, CancellationToken stop)
    {
        long looks = 0;
        while (!stop.IsCancellationRequested)
        {
            ConfigurationSnapshot now = configuration.Current;
            LimitsOptions limits = now.Get<LimitsOptions>("limits");
            string number = limits.Hops.ToString(CultureInfo.InvariantCulture);
            Assert.Equal((limits.Hops, limits.Hops, (long)limits.Hops), (limits.Staged, limits.Contacts, limits.Body));
            Assert.Equal($"n{number}", now.Get<RuntimeOptions>("runtime").Name);
            Assert.Contains($"w{number}", now.Get<IReadOnlyDictionary<string, WorkerOptions>>("workers").Keys);
            Assert.Equal($"n{number}", now.View().Single(static view => view.Key == "runtime.name").Value);
            looks++;
            Thread.Yield();
        }

        return looks;
    }

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
