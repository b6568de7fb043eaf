using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The page of the web chat and its event stream (EU-1 to EU-3, EU-7).</summary>
internal sealed class ChatEndpoints(IRuntimeView runtime, WebChat? chat, IntakeAccess access, ControlPlaneKeys keys, KeyGate gate)
{
    /// <summary>Set when the server stops: no stream begins any more.</summary>
    public bool Stopping { get; set; }

    /// <summary><c>GET /chat</c>.</summary>
    public Task PageAsync(HttpContext context) =>
        chat?.IsEnabled != true ? ApiAnswer.NotFoundAsync(context, "web chat: no communicator of type emulator is enabled")
        : access.AllowsPage(context) ? ChatPage.WriteAsync(context)
        : RefuseAsync(context);

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
        string? contact = context.Request.Query["sender"] is { Count: > 0 } given ? Message.ContactOf(given[0] ?? "") : null;
        if (chat?.IsEnabled != true)
        {
            await ApiAnswer.NotFoundAsync(context, "web chat: no communicator of type emulator is enabled");
        }
        else if (contact is { Length: 0 or > 256 } || context.Request.Query["sender"].Count > 1)
        {
            await new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = "sender is one contact of 1 to 256 characters." }.WriteAsync(context);
        }
        else if (await MayListenAsync(context, contact))
        {
            await (IsReady ? chat.Hub.ServeAsync(context, contact) : NotReadyAsync(context));
        }
    }

    private bool IsReady => !Stopping && runtime.State is RuntimeState.Running or RuntimeState.Draining;

    private async ValueTask<bool> MayListenAsync(HttpContext context, string? contact)
    {
        if (contact is null && await keys.AnyMadeAsync(context.RequestAborted))
        {
            return await gate.AdmitAsync(context, ApiRole.Operator);
        }

        if (access.AllowsPage(context))
        {
            return true;
        }

        await RefuseAsync(context);
        return false;
    }

    private static Task RefuseAsync(HttpContext context) => new Problem
    {
        Status = 401,
        Code = ProblemCode.Unauthorized,
        Detail = "The web chat needs its token in the address (?token=…), or a request from this machine when none is set.",
    }.WriteAsync(context);

    private static Task NotReadyAsync(HttpContext context) =>
        new Problem { Status = 503, Code = ProblemCode.Draining, Detail = "The runtime is starting or stopping.", RetryAfterSeconds = 2 }.WriteAsync(context);
}
