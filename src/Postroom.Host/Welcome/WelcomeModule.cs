using System.Text.Json.Serialization.Metadata;

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
        // Asked of the resolver: the property of the context would make the metadata of all that a message holds ready, which only the first message needs.
        PostroomJson context = PostroomJson.Default;
        var json = (JsonTypeInfo<IncomingMessage>)((IJsonTypeInfoResolver)context).GetTypeInfo(typeof(IncomingMessage), context.Options)!;
        app.AddHandler<IncomingMessage, WelcomeHandler>(PayloadTypes.ChatText, json, "in");
        foreach (string kind in (string[])["voice", "audio", "image", "video", "document", "contact", "location", "reaction"])
        {
            app.AddHandler<IncomingMessage, WelcomeHandler>($"chat.{kind}", json, "in");
        }

        app.AddWorkers("router");
    }
}
