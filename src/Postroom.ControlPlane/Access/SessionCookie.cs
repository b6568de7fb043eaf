using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The cookie that carries a session (CP-5).</summary>
internal static class SessionCookie
{
    /// <summary>Its name.</summary>
    public const string Name = "postroom_session";

    /// <summary>The header in which changing requests repeat the session's token.</summary>
    public const string CsrfHeader = "X-Postroom-Csrf";

    /// <summary>What a request brought; null for none.</summary>
    public static string? Of(HttpContext context) => context.Request.Cookies.TryGetValue(Name, out string? value) && value is { Length: > 0 and <= 128 } ? value : null;

    public static void Set(HttpContext context, string value, TimeSpan life) => context.Response.Cookies.Append(Name, value, Options(context, life));

    public static void Remove(HttpContext context) => context.Response.Cookies.Delete(Name, Options(context, null));

    private static CookieOptions Options(HttpContext context, TimeSpan? life) => new()
    {
        HttpOnly = true,
        SameSite = SameSiteMode.Strict,
        Secure = context.Request.IsHttps,
        Path = context.Request.PathBase.HasValue ? context.Request.PathBase.Value! : "/",
        MaxAge = life,
        IsEssential = true,
    };
}
