using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Postroom.ControlPlane;

/// <summary>What <see cref="BrowserRules"/> lets through.</summary>
internal sealed record BrowserRulesOptions
{
    /// <summary>The names this server answers to: <c>host</c> for every port, or <c>host:port</c>.</summary>
    public IReadOnlyList<string> Hosts { get; set; } = ["localhost", "127.0.0.1", "[::1]"];

    /// <summary>Paths below which any content type is taken (WH-6).</summary>
    public IReadOnlyList<string> AnyContentBelow { get; set; } = ["/hooks"];

    /// <summary>Whether a communicator answers at a path: its service decides what it posts, and the communicator proves who it is.</summary>
    public Func<string, bool> IsReceiver { get; set; } = static _ => false;
}

/// <summary>Keeps foreign pages in a user's browser from reading or changing anything here (CP-6).</summary>
/// <param name="next">The rest of the pipeline.</param>
/// <param name="options">Its names may change while the server runs.</param>
internal sealed class BrowserRules(RequestDelegate next, BrowserRulesOptions options)
{
    /// <summary>The policy of answers that are data.</summary>
    public const string DataPolicy = "default-src 'none'; frame-ancestors 'none'";

    /// <summary>The policy of the embedded pages: their own files, pictures and sounds made in the page, and this server.</summary>
    public const string PagePolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>Answers 421, 403 or 415 itself, or passes the request on with the security headers set.</summary>
    public Task InvokeAsync(HttpContext context)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = DataPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";

        return Judge(context.Request) is { } problem ? problem.WriteAsync(context) : next(context);
    }

    private Problem? Judge(HttpRequest request)
    {
        if (request.Headers.Host.Count != 1 || !IsOurs(request.Host))
        {
            return new Problem { Status = 421, Code = ProblemCode.Misdirected, Detail = "This server does not answer to that host name. Add the name to server.hosts." };
        }

        if (!Changes(request.Method))
        {
            return null;
        }

        if (IsForeign(request))
        {
            return new Problem { Status = 403, Code = ProblemCode.Forbidden, Detail = "The request comes from a page of another origin." };
        }

        bool hasBody = request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody ?? request.ContentLength > 0;
        return hasBody && !RequestBody.IsJson(request.ContentType) && !options.AnyContentBelow.Any(path => request.Path.StartsWithSegments(path, StringComparison.Ordinal)) && !options.IsReceiver(request.Path.Value ?? "")
            ? new Problem { Status = 415, Code = ProblemCode.UnsupportedMedia, Detail = "The body must be application/json in UTF-8." }
            : null;
    }

    private bool IsOurs(HostString host) =>
        host.HasValue && options.Hosts.Any(name =>
            string.Equals(name, host.Value, StringComparison.OrdinalIgnoreCase)
            || (new HostString(name).Port is null && string.Equals(name, host.Host, StringComparison.OrdinalIgnoreCase) && HasSanePort(host)));

    // "localhost:80:evil" and "localhost:" leave Port empty although there is a colon.
    private static bool HasSanePort(HostString host) => host.Port is not null || host.Value!.Length == host.Host.Length;

    private static bool Changes(string method) => !(HttpMethods.IsGet(method) || HttpMethods.IsHead(method) || HttpMethods.IsOptions(method));

    private static bool IsForeign(HttpRequest request)
    {
        StringValues site = request.Headers["Sec-Fetch-Site"];
        if (site.Any(value => string.Equals(value, "cross-site", StringComparison.OrdinalIgnoreCase)))
        {
            return true;
        }

        // Only host and port are compared: behind a proxy that ends TLS the scheme differs. "null" is foreign.
        StringValues origin = request.Headers.Origin;
        return origin.Count > 0
            && (origin.Count > 1
                || !Uri.TryCreate(origin[0], UriKind.Absolute, out Uri? address)
                || !string.Equals(address.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase));
    }
}
