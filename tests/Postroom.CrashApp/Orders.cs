using System.Diagnostics;
using MailOrderBot;
using Microsoft.Extensions.DependencyInjection;

namespace Postroom.CrashApp;

/// <summary>The mail order bot, which kills its process at one step of the mails of one thread.</summary>
internal sealed class Orders(CrashOptions options)
{
    private readonly AsyncLocal<bool> _inTarget = new();

    public void Configure(IApplicationBuilder app)
    {
        new MailOrderModule { Passing = step => Pass(step, _inTarget.Value) }.Configure(app);
        app.Services.AddSingleton(this);
        app.AddMiddleware<Steps>().AddHook(_ => new Told(this));
    }

    private bool IsTarget(string? conversation) => options.Target is { } target && conversation?.Contains(target, StringComparison.Ordinal) == true;

    private void Pass(string step, bool inTarget)
    {
        if (!inTarget || step != options.DieAt)
        {
            return;
        }

        using Process self = Process.GetCurrentProcess();
        self.Kill();
        Thread.Sleep(Timeout.Infinite);
    }

    private sealed class Steps(Orders orders) : IHandlerMiddleware
    {
        public async ValueTask<HandlerResult> InvokeAsync(HandlerContext context, HandlerStep next, CancellationToken cancellationToken)
        {
            bool target = orders._inTarget.Value = orders.IsTarget(context.Conversation);
            orders.Pass("before the handler", target);
            HandlerResult result = await next(context, cancellationToken);
            orders.Pass("after the handler", target);
            return result;
        }
    }

    private sealed class Told(Orders orders) : IDispatchHook
    {
        public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
            new(orders.IsTarget(conversationId) ? payloadType : "");

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => Pass($"dispatched {entryId}");

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => Pass($"acknowledged {entryId}");

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;

        private ValueTask Pass(string step)
        {
            orders.Pass(step, inTarget: true);
            return default;
        }
    }
}
