using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The embedded files of the dashboard (UI-1). They hold nothing: what a page shows, it asks for with the session of whoever looks.</summary>
internal static class DashboardEndpoints
{
    /// <summary>Where the dashboard is, below an address of the server.</summary>
    public const string Path = "/ui/";

    private static readonly EmbeddedPages Files = new("ui/", "chat/dom.js", "chat/icon.svg");

    /// <summary>The names of the files, the page itself included.</summary>
    public static IEnumerable<string> Names => Files.Names;

    /// <summary><c>GET /ui</c> and <c>GET /ui/</c>. The addresses in the page are relative, so it is one folder below the rest whatever the prefix.</summary>
    public static Task PageAsync(HttpContext context)
    {
        if (context.Request.Path.Value is [.., '/'])
        {
            return WriteAsync(context, EmbeddedPages.Index);
        }

        context.Response.Redirect($"{context.Request.PathBase}{Path}");
        return Task.CompletedTask;
    }

    /// <summary><c>GET /ui/{file}</c>.</summary>
    public static Task FileAsync(HttpContext context) => WriteAsync(context, context.Request.RouteValues["file"] as string ?? "");

    private static Task WriteAsync(HttpContext context, string file) => Files.WriteAsync(context, file, "microphone=(), camera=(), geolocation=()");
}
