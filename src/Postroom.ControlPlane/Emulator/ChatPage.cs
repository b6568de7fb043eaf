using System.Text;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The embedded files of the web chat (EU-1).</summary>
internal static class ChatPage
{
    private static readonly EmbeddedPages Files = new("chat/");

    // The page that says what the welcome module can be asked; a page of another program has nothing of that.
    private static readonly byte[] Welcoming = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(Files[EmbeddedPages.Index]).Replace("<body>", "<body class=\"welcome\">", StringComparison.Ordinal));

    /// <summary>What a person sees who has no valid token.</summary>
    public const string Closed = "closed.html";

    /// <summary>The names of the files, the page itself included.</summary>
    public static IEnumerable<string> Names => Files.Names;

    /// <summary>Answers with a file: <c>GET /chat</c> is <c>index.html</c>, <c>GET /chat/{file}</c> the others; 404 for a name that is not embedded.</summary>
    /// <param name="context">The request.</param>
    /// <param name="file">Which.</param>
    /// <param name="welcoming">Whether the page hints at what the welcome module can be asked.</param>
    public static Task WriteAsync(HttpContext context, string file = EmbeddedPages.Index, bool welcoming = false) =>
        Files.WriteAsync(context, file, "microphone=(self), camera=(), geolocation=()", welcoming && file == EmbeddedPages.Index ? Welcoming : null);
}
