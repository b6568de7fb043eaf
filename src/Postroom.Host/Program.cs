using Postroom.Host;

return await PostroomCommand.RunAsync(args);
