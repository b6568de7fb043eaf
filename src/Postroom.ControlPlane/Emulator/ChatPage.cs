using System.Collections.Frozen;
using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The embedded files of the web chat (EU-1).</summary>
internal static class ChatPage
{
    private const string Folder = "chat/";

    private static readonly FrozenDictionary<string, byte[]> Files = Load();

    /// <summary>The names of the files, the page itself included.</summary>
    public static IEnumerable<string> Names => Files.Keys;

    /// <summary>Answers with a file: <c>GET /chat</c> is <c>index.html</c>, <c>GET /chat/{file}</c> the others; 404 for a name that is not embedded.</summary>
    public static async Task WriteAsync(HttpContext context, string file = "index.html")
    {
        if (!Files.TryGetValue(file, out byte[]? content))
        {
            await new Problem { Status = 404, Code = ProblemCode.NotFound, Detail = "There is no such file." }.WriteAsync(context);
            return;
        }

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
