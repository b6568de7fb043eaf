using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Http;
using Postroom.Benchmarks.Runtime;

return args switch
{
    [LoadClient.Command, .. var rest] => await LoadClient.MainAsync(rest),
    [Drain.Command, .. var rest] => await Drain.MainAsync(rest),
    ["--help" or "-h", ..] => Say(BenchOptions.Help),
    _ => await BenchRun.MainAsync(args),
};

static int Say(string text)
{
    Console.WriteLine(text);
    return 0;
}
