using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The page of the web chat and its event stream (EU-1 to EU-3, EU-7).</summary>
internal sealed class ChatEndpoints(IRuntimeView runtime, WebChat? chat, IntakeAccess access, ControlPlaneKeys keys, KeyGate gate)
{
    private const string WelcomeModule = "welcome";

    /// <summary>Set when the server stops: no stream begins any more.</summary>
    public bool Stopping { get; set; }

    /// <summary><c>GET /chat</c>.</summary>
    public async Task PageAsync(HttpContext context)
    {
        if (chat?.IsEnabled != true)
        {
            await ApiAnswer.NotFoundAsync(context, "web chat: no communicator of type emulator is enabled");
        }
        else if (await AdmitAsync(context, page: true))
        {
            RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
            await ChatPage.WriteAsync(context, welcoming: status.Modules.ContainsKey(WelcomeModule));
        }
    }

    /// <summary><c>GET /chat/{file}</c>. Open to everybody: style and script hold nothing, and the page asks for them without its token.</summary>
    public static Task FileAsync(HttpContext context) => ChatPage.WriteAsync(context, context.Request.RouteValues["file"] as string ?? "");

    /// <summary><c>GET /</c>: the web chat while there is one, the dashboard otherwise.</summary>
    public Task RootAsync(HttpContext context)
    {
        if (chat?.IsEnabled == true)
        {
            return PageAsync(context);
        }

        context.Response.Redirect($"{context.Request.PathBase}/ui/");
        return Task.CompletedTask;
    }

    /// <summary><c>GET /events</c>: the stream of one contact, or of all for operators.</summary>
    public async Task EventsAsync(HttpContext context)
    {
        string? contact = ContactOf(context);
        if (chat?.IsEnabled != true)
        {
            await ApiAnswer.NotFoundAsync(context, "web chat: no communicator of type emulator is enabled");
        }
        else if (!IsContact(context, contact))
        {
            await NoContact.WriteAsync(context);
        }
        else if (await MayListenAsync(context, contact))
        {
            await (IsReady ? chat.Hub.ServeAsync(context, contact) : NotReadyAsync(context));
        }
    }

    /// <summary>Whose conversation a request is about; null for none named.</summary>
    public static string? ContactOf(HttpContext context) => context.Request.Query["sender"] is { Count: > 0 } given ? Message.ContactOf(given[0] ?? "") : null;

    /// <summary>Whether a contact is named at most once, and well.</summary>
    public static bool IsContact(HttpContext context, string? contact) => contact is not { Length: 0 or > 256 } && context.Request.Query["sender"].Count <= 1;

    /// <summary>What to say when it is not.</summary>
    public static Problem NoContact => new() { Status = 400, Code = ProblemCode.BadRequest, Detail = "sender is one contact of 1 to 256 characters." };

    private bool IsReady => !Stopping && runtime.State is RuntimeState.Running or RuntimeState.Draining;

    private async ValueTask<bool> MayListenAsync(HttpContext context, string? contact)
    {
        if (contact is null && await keys.AnyMadeAsync(context.RequestAborted))
        {
            return await gate.AdmitAsync(context, ApiRole.Operator);
        }

        return await AdmitAsync(context);
    }

    /// <summary>Whether the caller may use the chat; the answer is written when not. Its token is the one of posts and counts as they do.</summary>
    public async ValueTask<bool> AdmitAsync(HttpContext context, bool page = false)
    {
        int? wait = access.Charge(context);
        if (wait is null && access.AllowsPage(context))
        {
            access.TakeBackCharge(context);
            return true;
        }

        if (page && wait is null && context.Request.Headers.Accept.Any(types => types?.Contains("text/html", StringComparison.OrdinalIgnoreCase) == true))
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            await ChatPage.WriteAsync(context, ChatPage.Closed);
            return false;
        }

        await (wait is null ? Unproved() : TooOften(wait.Value)).WriteAsync(context);
        return false;
    }

    private static Problem Unproved() => new()
    {
        Status = 401,
        Code = ProblemCode.Unauthorized,
        Detail = "The web chat needs its token in the address (?token=…): the link that the start prints has it. Where neither intake.webhook.token nor secret is set, requests from this machine need none.",
    };

    private static Problem TooOften(int seconds) => new()
    {
        Status = 429,
        Code = ProblemCode.RateLimited,
        Detail = "Too many requests from this address came without a valid token.",
        RetryAfterSeconds = seconds,
    };

    private static Task NotReadyAsync(HttpContext context) =>
        new Problem { Status = 503, Code = ProblemCode.Draining, Detail = "The runtime is starting or stopping.", RetryAfterSeconds = 2 }.WriteAsync(context);
}
