using Postroom.Host;

if (RunLine.Read(args) is not { } plain)
{
    return await PostroomCommand.RunAsync(args);
}

try
{
    return await RunCommand.RunAsync(plain, CancellationToken.None);
}
catch (Exception e)
{
    return await PostroomCommand.ReportAsync(e);
}
