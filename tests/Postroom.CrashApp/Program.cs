using Postroom.CrashApp;
using Postroom.Host;

// dotnet Postroom.CrashApp.dll MODE [options] [--set key=value ...]; the harness and the end-to-end tests start it, nobody else.
CrashOptions options = CrashOptions.Parse(args);
using LedgerClient? ledger = options.Ledger is null || options.Mode is "receive" or "next" ? null : LedgerClient.Connect(options.Ledger); // which takes one connection, and a restart checks a program beside itself
try
{
    return options.Mode switch
    {
        "load" => await RunAsync(new Load(options, ledger!).Configure),
        "talk" => await RunAsync(new Talk(ledger).Configure),
        "types" => await RunAsync(new Types(options, ledger!).Configure),
        "orders" => await RunAsync(new Orders(options).Configure),
        "backlog" => await RunAsync(new Backlog(options, ledger!).Configure),
        "share" => await RunAsync(new Share(options).Configure),
        "receive" => await Receive.RunAsync(args, options),
        "next" => await Receive.NextAsync(args),
        "lanes" => await RunAsync(new Lanes(options, ledger!).Configure),
        "static" => await StaticWay.RunAsync(),
        "migrate" => await Migrate.RunAsync(options),
        _ => throw new ArgumentException($"There is no mode '{options.Mode}'. Use load, talk, types, orders, backlog, lanes, share, receive, next, static or migrate."),
    };
}
catch (Exception e)
{
    return await PostroomCommand.ReportAsync(e);
}

Task<int> RunAsync(Action<Postroom.IApplicationBuilder> configure) => RunCommand.RunAsync(HostArguments.Parse(args), CancellationToken.None, configure);
