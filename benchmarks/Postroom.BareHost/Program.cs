using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

// The least that can be called a web host: no configuration, no logging, no routing.
WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "bare" });
builder.WebHost.UseKestrelCore().UseUrls(args[0]);
WebApplication app = builder.Build();
app.Run(static context => context.Response.WriteAsync("ready"));
await app.RunAsync();
