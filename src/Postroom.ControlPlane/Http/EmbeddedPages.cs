using System.Collections.Frozen;
using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The files of a page set, embedded in this assembly below a name of their own.</summary>
/// <param name="folder">What the names of the resources begin with, such as <c>chat/</c>.</param>
/// <param name="shared">Resources of another page set that this one has as well.</param>
internal sealed class EmbeddedPages(string folder, params string[] shared)
{
    /// <summary>The page itself.</summary>
    public const string Index = "index.html";

    private readonly FrozenDictionary<string, byte[]> _files = Load(folder, shared);

    /// <summary>The names of the files, the page itself included.</summary>
    public IEnumerable<string> Names => _files.Keys;

    /// <summary>The bytes of a file that is known to be there.</summary>
    public byte[] this[string name] => _files[name];

    /// <summary>Answers with a file, or 404 for a name that is not embedded.</summary>
    /// <param name="context">The request.</param>
    /// <param name="file">Which.</param>
    /// <param name="permissions">What of the browser the page may use, as <c>Permissions-Policy</c> says it.</param>
    /// <param name="instead">What the file holds this time; null for what is embedded.</param>
    public async Task WriteAsync(HttpContext context, string file, string permissions, byte[]? instead = null)
    {
        if (!_files.TryGetValue(file, out byte[]? content))
        {
            await new Problem { Status = 404, Code = ProblemCode.NotFound, Detail = "There is no such file." }.WriteAsync(context);
            return;
        }

        content = instead ?? content;
        HttpResponse response = context.Response;
        response.Headers.ContentSecurityPolicy = BrowserRules.PagePolicy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-store";
        // The page's address may hold its token.
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Permissions-Policy"] = permissions;
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

    private static FrozenDictionary<string, byte[]> Load(string folder, string[] shared)
    {
        Assembly assembly = typeof(EmbeddedPages).Assembly;
        return assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(folder, StringComparison.Ordinal) || shared.Contains(name))
            .ToFrozenDictionary(name => name[(name.IndexOf('/', StringComparison.Ordinal) + 1)..], name => Read(assembly, name), StringComparer.Ordinal);
    }

    private static byte[] Read(Assembly assembly, string name)
    {
        using Stream stream = assembly.GetManifestResourceStream(name)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
