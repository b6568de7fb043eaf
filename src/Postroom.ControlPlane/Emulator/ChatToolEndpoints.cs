using Microsoft.AspNetCore.Http;
using Postroom.Scripts;

namespace Postroom.ControlPlane;

/// <summary>What the page asks to change, as the settings write it; what is left out becomes zero, or what it is unless set.</summary>
internal sealed record FaultsRequest(string? Delay, int Duplicate, int Reorder, int RateLimited, string? Wait, int ServerError, int? Status, int LostAnswer, int Refused);

/// <summary>What is left of the faults of a conversation, the channel that the web chat stands for, null for itself, and whether the page may change them.</summary>
internal sealed record FaultsView(
    string? Channel, bool MayChange, string Delay, int Duplicate, int Reorder, int RateLimited, string Wait, int ServerError, int Status, int LostAnswer, int Refused);

/// <summary>What developers do on the page: faults on purpose (EU-8), and saving a conversation (EU-9). Access is that of the page (EU-7).</summary>
internal sealed class ChatToolEndpoints(IRuntimeView runtime, WebChat? chat, ChatEndpoints access)
{
    private const int MaxBody = 4_096;

    /// <summary><c>GET /chat/faults?sender=…</c>.</summary>
    public async Task FaultsAsync(HttpContext context)
    {
        if (await FindAsync(context) is { } found)
        {
            await WriteAsync(context, found);
        }
    }

    /// <summary><c>PUT /chat/faults?sender=…</c>.</summary>
    public async Task SetFaultsAsync(HttpContext context)
    {
        if (await FindAsync(context) is not { } found)
        {
            return;
        }

        if (!MayChange(found.Channel))
        {
            await new Problem
            {
                Status = 403,
                Code = ProblemCode.Forbidden,
                Detail = $"Faults may not be changed from the page here. Set communications.backends.{found.Name}.faults.fromPage to true where everybody with the link may disturb the channel.",
            }.WriteAsync(context);
            return;
        }

        RequestBody body = await RequestBody.ReadOptionalAsync(context.Request, MaxBody, new FaultsRequest(null, 0, 0, 0, null, 0, null, 0, 0), ChatJson.Default.FaultsRequest, context.RequestAborted);
        if (body is not RequestBody.Value<FaultsRequest> { Read: { } request })
        {
            await ((RequestBody.Refused)body).ToProblem().WriteAsync(context);
            return;
        }

        if (ReadFaults(request, out EmulatorFaults faults) is { } problem)
        {
            await new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = problem }.WriteAsync(context);
            return;
        }

        chat!.Faults.Set(found.Conversation, faults);
        await WriteAsync(context, found);
    }

    /// <summary><c>GET /chat/script?sender=…</c>: the conversation as a file.</summary>
    public async Task ScriptAsync(HttpContext context)
    {
        if (await FindAsync(context) is { } found)
        {
            await WriteScriptAsync(context, runtime.Journal, found.Conversation);
        }
    }

    /// <summary>Writes the script of a conversation, or 404.</summary>
    internal static async Task WriteScriptAsync(HttpContext context, IJournal journal, string conversation)
    {
        ScriptFile? script;
        try
        {
            script = await ScriptRecorder.RecordAsync(journal, conversation, context.RequestAborted);
        }
        catch (InvalidOperationException e)
        {
            await new Problem { Status = 413, Code = ProblemCode.TooLarge, Detail = e.Message }.WriteAsync(context);
            return;
        }

        if (script is null)
        {
            await ApiAnswer.NotFoundAsync(context, "message of that conversation");
            return;
        }

        byte[] content = script.Write();
        context.Response.ContentType = "application/json";
        context.Response.Headers.ContentDisposition = "attachment; filename=\"conversation.json\"";
        context.Response.ContentLength = content.Length;
        await context.Response.Body.WriteAsync(content, context.RequestAborted);
    }

    /// <summary>Reads what is asked for; the problem, or null.</summary>
    private static string? ReadFaults(FaultsRequest request, out EmulatorFaults faults)
    {
        faults = new EmulatorFaults();
        if (!Duration.TryParse(request.Delay ?? "0", allowInfinite: false, out TimeSpan delay) || !Duration.TryParse(request.Wait ?? Duration.Format(faults.Wait), allowInfinite: false, out TimeSpan wait))
        {
            return "delay and wait are durations, such as '250ms' or '5s'.";
        }

        faults = new EmulatorFaults
        {
            Delay = delay,
            Duplicate = request.Duplicate,
            Reorder = request.Reorder,
            RateLimited = request.RateLimited,
            Wait = wait,
            ServerError = request.ServerError,
            Status = request.Status ?? faults.Status,
            LostAnswer = request.LostAnswer,
            Refused = request.Refused,
        };
        return faults.Problem();
    }

    private Task WriteAsync(HttpContext context, Found found)
    {
        EmulatorFaults left = chat!.Faults.Of(found.Conversation, found.Channel.Config.Faults);
        FaultsView view = new(
            found.Channel.Config.Channel, MayChange(found.Channel), Duration.Format(left.Delay), left.Duplicate, left.Reorder, left.RateLimited, Duration.Format(left.Wait),
            left.ServerError, left.Status, left.LostAnswer, left.Refused);
        return ApiAnswer.WriteAsync(context, view, ChatJson.Default.FaultsView);
    }

    private bool MayChange(EmulatedChannel channel) => channel.Config.FaultsFromPage ?? chat!.IsLocal;

    /// <summary>The conversation a request is about; null when the answer is written: there is none, or the caller may not use it.</summary>
    private async ValueTask<Found?> FindAsync(HttpContext context)
    {
        string? contact = ChatEndpoints.ContactOf(context);
        if (chat?.PageChannel is not { } name || chat.Find(name) is not { } channel)
        {
            await ApiAnswer.NotFoundAsync(context, "web chat: no communicator of type emulator is enabled");
        }
        else if (contact is null || !ChatEndpoints.IsContact(context, contact))
        {
            await ChatEndpoints.NoContact.WriteAsync(context);
        }
        else if (await access.AdmitAsync(context))
        {
            return new Found(name, channel, Message.ConversationOf(name, contact));
        }

        return null;
    }

    private sealed record Found(string Name, EmulatedChannel Channel, string Conversation);
}
