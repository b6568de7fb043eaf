using System.Text;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Lets a request through when its key allows it; 401, 403 or 429 otherwise (CP-2 to CP-4).</summary>
internal sealed class KeyGate(ControlPlaneKeys keys, RefusedKeys refused)
{
    /// <summary>A handler for callers of a role only. Loopback needs a key like everybody else.</summary>
    public RequestDelegate Needs(ApiRole role, RequestDelegate handle) => async context =>
    {
        if (await AdmitAsync(context, role))
        {
            await handle(context);
        }
    };

    /// <summary>Whether the caller has the role; the answer is written when not.</summary>
    public async ValueTask<bool> AdmitAsync(HttpContext context, ApiRole role)
    {
        string? cookie = context.Request.Headers.Authorization.Count == 0 ? SessionCookie.Of(context) : null;
        if (!keys.AreOpen && (cookie is not null || (context.Request.Headers.Authorization.Count > 0 && !keys.AreConfigured)))
        {
            // Not 401: a page would sign its user out, and a key that is right would count as a guess.
            await Problem.Opening.WriteAsync(context);
            return false;
        }

        if (cookie is not null)
        {
            return await AdmitSessionAsync(context, cookie, role);
        }

        KeyCheck check = await keys.Keys.CheckAsync(context.Request.Headers.Authorization, AddressOf(context), context.RequestAborted);
        if (context.Request.Headers.Authorization.Count > 0)
        {
            await refused.NoteAsync(context, check, "key");
        }

        return await AdmitAsync(context, role, check, "A key is needed: Authorization: Bearer pr_…");
    }

    /// <summary>Answers why somebody is not let in.</summary>
    public static async Task RefuseAsync(HttpContext context, KeyCheck check, string why)
    {
        if (check is KeyCheck.TooManyFailures failures)
        {
            await new Problem { Status = 429, Code = ProblemCode.RateLimited, Detail = "Too many wrong keys from this address.", RetryAfterSeconds = failures.RetryAfterSeconds }.WriteAsync(context);
            return;
        }

        context.Response.Headers.WWWAuthenticate = "Bearer";
        await new Problem { Status = 401, Code = ProblemCode.Unauthorized, Detail = why }.WriteAsync(context);
    }

    private async ValueTask<bool> AdmitSessionAsync(HttpContext context, string cookie, ApiRole role)
    {
        if (await keys.Sessions.FindAsync(cookie, context.RequestAborted) is not (Session session, ApiKey key))
        {
            await RefuseAsync(context, new KeyCheck.Refused(), "The session has ended. Sign in again.");
            return false;
        }

        // A page of another origin sends the cookie along, but does not know the token.
        string method = context.Request.Method;
        if (!(HttpMethods.IsGet(method) || HttpMethods.IsHead(method)) && !FixedTime.Equal(Encoding.UTF8.GetBytes(context.Request.Headers[SessionCookie.CsrfHeader].ToString()), Encoding.UTF8.GetBytes(session.Csrf)))
        {
            await new Problem { Status = 403, Code = ProblemCode.Forbidden, Detail = $"A request that changes something needs the session's token in {SessionCookie.CsrfHeader}." }.WriteAsync(context);
            return false;
        }

        context.Features.Set(session);
        return await AdmitAsync(context, role, new KeyCheck.Accepted(key), "");
    }

    private static async ValueTask<bool> AdmitAsync(HttpContext context, ApiRole role, KeyCheck check, string why)
    {
        if (check is not KeyCheck.Accepted accepted)
        {
            await RefuseAsync(context, check, why);
            return false;
        }

        if (!accepted.Allows(role))
        {
            string needed = role.ToString().ToLowerInvariant();
            await new Problem { Status = 403, Code = ProblemCode.Forbidden, Detail = $"This needs the role {needed}; key '{accepted.Key.Name}' has {accepted.Key.Role.ToString().ToLowerInvariant()}." }.WriteAsync(context);
            return false;
        }

        context.Features.Set(accepted.Key);
        return true;
    }

    /// <summary>The caller's address, for counts.</summary>
    public static string AddressOf(HttpContext context) => context.Connection.RemoteIpAddress?.ToString() ?? "";
}
