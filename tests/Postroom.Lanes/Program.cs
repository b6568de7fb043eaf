using Postroom.Lanes;

// dotnet run --project tests/Postroom.Lanes -c Release -- COMMAND [options]
return await LaneCommands.RunAsync(args);
