using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Lets a request through when its key allows it; 401, 403 or 429 otherwise (CP-2 to CP-4).</summary>
internal sealed class KeyGate(ControlPlaneKeys keys)
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
        KeyCheck check = await keys.Keys.CheckAsync(context.Request.Headers.Authorization, AddressOf(context), context.RequestAborted);
        Problem? problem = check switch
        {
            KeyCheck.Accepted accepted when accepted.Allows(role) => null,
            KeyCheck.Accepted accepted => new Problem
            {
                Status = 403,
                Code = ProblemCode.Forbidden,
                Detail = $"This needs the role {role.ToString().ToLowerInvariant()}; key '{accepted.Key.Name}' has {accepted.Key.Role.ToString().ToLowerInvariant()}.",
            },
            KeyCheck.TooManyFailures failures => new Problem
            {
                Status = 429,
                Code = ProblemCode.RateLimited,
                Detail = "Too many wrong keys from this address.",
                RetryAfterSeconds = failures.RetryAfterSeconds,
            },
            _ => new Problem { Status = 401, Code = ProblemCode.Unauthorized, Detail = "A key is needed: Authorization: Bearer pr_…" },
        };
        if (problem is null)
        {
            context.Features.Set(((KeyCheck.Accepted)check).Key);
            return true;
        }

        if (problem.Status == 401)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
        }

        await problem.WriteAsync(context);
        return false;
    }

    /// <summary>The caller's address, for counts.</summary>
    public static string AddressOf(HttpContext context) => context.Connection.RemoteIpAddress?.ToString() ?? "";
}
