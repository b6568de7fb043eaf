namespace Postroom.Host;

/// <summary>The module of a fresh installation: it answers the web chat, and lets a newcomer see a failure and a crash.</summary>
public sealed class WelcomeModule : IApplicationModule
{
    /// <inheritdoc/>
    public string Name => "welcome";

    /// <inheritdoc/>
    public string Version => "1";

    /// <inheritdoc/>
    public void Configure(IApplicationBuilder app)
    {
        app.AddHandler<IncomingMessage, WelcomeHandler>(PayloadTypes.ChatText, PostroomJson.Default.IncomingMessage, "in");
        foreach (string kind in (string[])["voice", "audio", "image", "video", "document", "contact", "location", "reaction"])
        {
            app.AddHandler<IncomingMessage, WelcomeHandler>($"chat.{kind}", PostroomJson.Default.IncomingMessage, "in");
        }

        app.AddWorkers("router");
    }
}
