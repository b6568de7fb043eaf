using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>A key without its text.</summary>
internal sealed record KeyView(string Id, string Name, string Role, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? LastUsedAt, bool Configured)
{
    public static KeyView Of(ApiKey key) =>
        new(key.Id, key.Name, key.Role.ToString().ToLowerInvariant(), key.CreatedAt, key.ExpiresAt, key.LastUsedAt, FactKeyStore.IsConfigured(key.Id));
}

/// <summary>A key to be made.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record KeyRequest(string? Name = null, string? Role = null, string? ExpiresIn = null);

/// <summary>A new key; its text is shown this once.</summary>
internal sealed record NewKeyView(string Key, string Id, string Name, string Role, DateTimeOffset? ExpiresAt);

/// <summary>What somebody signs in with: a key, or a code.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record SessionRequest(string? Key = null, string? Code = null);

/// <summary>A code that signs in once, and until when.</summary>
internal sealed record CodeView(string Code, DateTimeOffset ExpiresAt);

/// <summary>A session, as the page needs it.</summary>
internal sealed record SessionView(string User, string Role, string Csrf, DateTimeOffset ExpiresAt);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(KeyRequest))]
[JsonSerializable(typeof(NewKeyView))]
[JsonSerializable(typeof(ListView<KeyView>))]
[JsonSerializable(typeof(SessionRequest))]
[JsonSerializable(typeof(SessionView))]
[JsonSerializable(typeof(CodeView))]
internal sealed partial class AccessJson : JsonSerializerContext;

/// <summary>Keys and sessions (CP-4, CP-5, CP-10).</summary>
internal sealed class AccessEndpoints(ControlPlaneKeys keys, KeyGate gate, RefusedKeys refused, OperatorAction action, TimeProvider clock)
{
    private const int MaxBody = 4_096;
    private static readonly TimeSpan LongestLife = TimeSpan.FromDays(3_650);

    public async Task KeysAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context);
        IReadOnlyList<ApiKey> all = await keys.Keys.ListAsync(context.RequestAborted);
        await ApiAnswer.WriteAsync(context, ListView<KeyView>.Of(all.OrderBy(key => key.Name, StringComparer.Ordinal).Select(KeyView.Of), query), AccessJson.Default.ListViewKeyView);
    }

    /// <summary>Makes a key; its text is in the answer and nowhere else.</summary>
    public async Task MakeKeyAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new KeyRequest(), AccessJson.Default.KeyRequest) is not { } request)
        {
            return;
        }

        JsonObject detail = new() { ["role"] = request.Role, ["expiresIn"] = request.ExpiresIn };
        await action.DoAsync(
            context,
            "key.create",
            Names.Shorten(request.Name ?? ""),
            async token =>
            {
                string name = Names.IsName(request.Name) ? request.Name! : throw new BadRequestException("name", "name is required: lower-case letters, digits, '.', '_' and '-', at most 64.");
                ApiRole role = Enum.TryParse(request.Role, ignoreCase: true, out ApiRole known) && Enum.IsDefined(known) && !char.IsAsciiDigit(request.Role![0])
                    ? known
                    : throw new BadRequestException("role", "role is viewer, operator or admin.");
                TimeSpan? life = request.ExpiresIn is null ? null
                    : Duration.TryParse(request.ExpiresIn, allowInfinite: false, out TimeSpan time) && time > TimeSpan.Zero && time <= LongestLife ? time
                    : throw new BadRequestException("expiresIn", "expiresIn is a duration up to 3650d, such as 90d.");
                (string text, ApiKey key) = await keys.Keys.CreateAsync(name, role, life, token);
                detail["id"] = key.Id;
                return new NewKeyView(text, key.Id, key.Name, key.Role.ToString().ToLowerInvariant(), key.ExpiresAt);
            },
            AccessJson.Default.NewKeyView,
            StatusCodes.Status201Created,
            detail: detail);
    }

    public Task RemoveKeyAsync(HttpContext context)
    {
        string id = context.Request.RouteValues["id"] as string ?? "";
        JsonObject detail = [];
        async Task RemoveAsync(CancellationToken token)
        {
            detail["name"] = (await keys.Keys.ListAsync(token)).FirstOrDefault(key => key.Id == id)?.Name;
            if (FactKeyStore.IsConfigured(id))
            {
                throw new RuntimeConflictException("This key is in server.keys. Take it out of the configuration and restart.");
            }

            if (!await keys.Keys.RemoveAsync(id, token))
            {
                throw new KeyNotFoundException("There is no such key.");
            }
        }

        return action.DoAsync(context, "key.revoke", Names.Shorten(id), RemoveAsync, detail: detail);
    }

    /// <summary>Signs in with a key or a code: sets the cookie and gives the token that changing requests repeat.</summary>
    public async Task OpenSessionAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new SessionRequest(), AccessJson.Default.SessionRequest) is not { } request)
        {
            return;
        }

        string address = KeyGate.AddressOf(context);
        KeyCheck check = request.Code is { Length: > 0 and <= 128 } code
            ? await keys.CheckCodeAsync(code, address, context.RequestAborted)
            : await keys.Keys.CheckAsync(request.Key is { Length: > 0 } key ? $"Bearer {key}" : default, address, context.RequestAborted);
        if (check is not KeyCheck.Accepted accepted)
        {
            await refused.NoteAsync(context, check, request.Code is null ? "key" : "code");
            await KeyGate.RefuseAsync(context, check, request.Code is null ? "The key is not valid." : "The code is not valid any more: it works once, for ten minutes. Make another link with 'postroom token link', or sign in with a key.");
            return;
        }

        context.Features.Set(accepted.Key);
        await action.DoAsync(
            context,
            "session.open",
            accepted.Key.Name,
            async token =>
            {
                (string cookie, Session session) = await keys.Sessions.OpenAsync(accepted.Key, token);
                SessionCookie.Set(context, cookie, Sessions.Life);
                return new SessionView(accepted.Key.Name, accepted.Key.Role.ToString().ToLowerInvariant(), session.Csrf, session.ExpiresAt);
            },
            AccessJson.Default.SessionView);
    }

    /// <summary>Makes a code that signs in once as the key that asks for it. A session makes none: it would outlive its end.</summary>
    public Task MakeCodeAsync(HttpContext context)
    {
        if (context.Features.Get<Session>() is not null)
        {
            return new Problem { Status = StatusCodes.Status403Forbidden, Code = ProblemCode.Forbidden, Detail = "A link to sign in is made with a key, not with a session. Use 'postroom token link'." }.WriteAsync(context);
        }

        ApiKey key = context.Features.Get<ApiKey>()!;
        return action.DoAsync(
            context,
            "session.code",
            key.Name,
            _ => Task.FromResult(new CodeView(keys.Sessions.MakeCode(key), clock.GetUtcNow() + Sessions.CodeLife)),
            AccessJson.Default.CodeView,
            StatusCodes.Status201Created);
    }

    /// <summary>Who is signed in, for a page that was loaded again; 401 when nobody is.</summary>
    public async Task SessionAsync(HttpContext context)
    {
        if (!await gate.AdmitAsync(context, ApiRole.Viewer))
        {
            return;
        }

        ApiKey key = context.Features.Get<ApiKey>()!;
        Session? session = context.Features.Get<Session>();
        await ApiAnswer.WriteAsync(
            context, new SessionView(key.Name, key.Role.ToString().ToLowerInvariant(), session?.Csrf ?? "", session?.ExpiresAt ?? DateTimeOffset.MaxValue), AccessJson.Default.SessionView);
    }

    /// <summary>Signs out.</summary>
    public async Task CloseSessionAsync(HttpContext context)
    {
        if (!await gate.AdmitAsync(context, ApiRole.Viewer))
        {
            return;
        }

        await action.DoAsync(context, "session.close", context.Features.Get<ApiKey>()!.Name, async token =>
        {
            if (SessionCookie.Of(context) is { } cookie)
            {
                await keys.Sessions.CloseAsync(cookie, token);
                SessionCookie.Remove(context);
            }
        });
    }
}
