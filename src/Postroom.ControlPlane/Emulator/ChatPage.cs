using System.Collections.Frozen;
using System.Reflection;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The embedded files of the web chat (EU-1).</summary>
internal static class ChatPage
{
    private const string Folder = "chat/";

    private const string Page = "index.html";

    private static readonly FrozenDictionary<string, byte[]> Files = Load();

    // The page that says what the welcome module can be asked; a page of another program has nothing of that.
    private static readonly byte[] Welcoming = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(Files[Page]).Replace("<body>", "<body class=\"welcome\">", StringComparison.Ordinal));

    /// <summary>What a person sees who has no valid token.</summary>
    public const string Closed = "closed.html";

    /// <summary>The names of the files, the page itself included.</summary>
    public static IEnumerable<string> Names => Files.Keys;

    /// <summary>Answers with a file: <c>GET /chat</c> is <c>index.html</c>, <c>GET /chat/{file}</c> the others; 404 for a name that is not embedded.</summary>
    /// <param name="context">The request.</param>
    /// <param name="file">Which.</param>
    /// <param name="welcoming">Whether the page hints at what the welcome module can be asked.</param>
    public static async Task WriteAsync(HttpContext context, string file = Page, bool welcoming = false)
    {
        if (!Files.TryGetValue(file, out byte[]? content))
        {
            await new Problem { Status = 404, Code = ProblemCode.NotFound, Detail = "There is no such file." }.WriteAsync(context);
            return;
        }

        content = welcoming && file == Page ? Welcoming : content;
        HttpResponse response = context.Response;
        response.Headers.ContentSecurityPolicy = BrowserRules.PagePolicy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-store";
        // The page's address may hold its token.
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Permissions-Policy"] = "microphone=(self), camera=(), geolocation=()";
        response.ContentType = TypeOf(file);
        response.ContentLength = content.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(content, context.RequestAborted);
        }
    }

    private static string TypeOf(string file) => Path.GetExtension(file) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };

    private static FrozenDictionary<string, byte[]> Load()
    {
        Assembly assembly = typeof(ChatPage).Assembly;
        return assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Folder, StringComparison.Ordinal))
            .ToFrozenDictionary(name => name[Folder.Length..], name => Read(assembly, name), StringComparer.Ordinal);
    }

    private static byte[] Read(Assembly assembly, string name)
    {
        using Stream stream = assembly.GetManifestResourceStream(name)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
