using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary><c>POST /hooks/{source}</c>: what another service posts is stored before it is answered (WH-6, WH-7).</summary>
internal sealed class HookEndpoint(IRuntimeView runtime, HookBoard board, IntakeAccess access, TimeProvider clock, ILogger<HookEndpoint> logger)
{
    private readonly IntakeAnswers _answers = new(clock, logger);

    /// <summary>Answers one request.</summary>
    public Task HandleAsync(HttpContext context) => _answers.GuardAsync(context, TakeAsync);

    // Ordered so that what costs least is asked first, and nothing is read for a stranger who shows no proof.
    private async Task TakeAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        HookSource? hook = board.Find((string)request.RouteValues["source"]!);
        using IntakeCharge charge = access.Enter(context, hook?.IsProved(request.Headers) == true, hook is { NeedsProof: true } && hook.MayBeProved(request.Headers) && !hook.ProvesByHeaders);
        if (charge.IsRefused)
        {
            await TooManyAsync(context, charge.Wait);
            return;
        }

        if (!runtime.TakesMessages)
        {
            charge.TakeBack();
            await _answers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "the service is starting or stopping", seconds: 2);
            return;
        }

        if (hook is null)
        {
            await _answers.RefuseAsync(context, StatusCodes.Status404NotFound, "there is no such hook");
            return;
        }

        if (hook.NeedsProof && !hook.MayBeProved(request.Headers))
        {
            await _answers.RefuseAsync(context, StatusCodes.Status401Unauthorized, "the token or signature is missing or wrong");
            return;
        }

        RequestBody body = await charge.ReadBodyAsync(hook.Config.MaxBody);
        if (body is RequestBody.Refused refused)
        {
            string setting = refused.Status == StatusCodes.Status413PayloadTooLarge ? $" The limit is sources.{hook.Name}.maxBody." : "";
            await _answers.RefuseAsync(context, refused.Status, refused.Detail + setting);
            return;
        }

        await StoreAsync(context, hook, ((RequestBody.Bytes)body).Raw, charge);
    }

    private async Task StoreAsync(HttpContext context, HookSource hook, ReadOnlyMemory<byte> body, IntakeCharge charge)
    {
        SignatureVerdict verdict = hook.Judge(context.Request.Headers, body.Span);
        if (verdict != SignatureVerdict.Valid && charge.Wait is { } wait)
        {
            await TooManyAsync(context, wait);
            return;
        }

        if (verdict != SignatureVerdict.Valid)
        {
            await _answers.RefuseAsync(context, StatusCodes.Status401Unauthorized, verdict == SignatureVerdict.Untimely
                ? "the signature is right, but its time is too far away from now"
                : "the token or signature is missing or wrong");
            return;
        }

        if (hook.NeedsProof)
        {
            charge.TakeBack();
        }

        IMessageSink sink = await hook.FindSinkAsync(context.RequestAborted) ?? throw new IntakeClosedException(IntakeRefusal.Paused, TimeSpan.FromSeconds(5), $"Source '{hook.Name}' does not run. Start it to take what comes.");
        SourceMessage message = HookTranslator.ToSource(hook, context.Request.Headers, context.Request.ContentType, body);

        // A caller that hangs up now must not undo the commit, only miss its answer.
        AcceptResult result = (await sink.AcceptAsync([message], checkpoint: null, CancellationToken.None))[0];
        if (result is { Duplicate: true, SameBody: false })
        {
            await _answers.RefuseAsync(context, StatusCodes.Status409Conflict, "another message was posted with this id before");
            return;
        }

        HttpResponse response = context.Response;
        response.ContentType = hook.Config is { Answer: not null, AnswersJson: false } ? "text/plain; charset=utf-8" : "application/json";
        await response.WriteAsync(hook.Config.Answer ?? $$"""{"id":"{{result.Id}}"}""", context.RequestAborted);
    }

    private Task TooManyAsync(HttpContext context, int? wait) => _answers.RefuseAsync(
        context, StatusCodes.Status429TooManyRequests, "too many messages from this address", "An address that posts to /hooks without a valid proof has used up intake.webhook.perAddress.", wait);
}
