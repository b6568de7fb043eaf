using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>Everything that HTTP offers (CP-10): what is mapped, guarded and described comes from this list.</summary>
internal sealed class ControlPlaneRoutes
{
    private const string Api = "/api/v1";
    private const ApiRole Viewer = ApiRole.Viewer;
    private const ApiRole Operator = ApiRole.Operator;
    private const ApiRole Admin = ApiRole.Admin;

    private readonly IRuntimeView _runtime;
    private readonly KeyGate _gate;
    private byte[]? _document;

    public ControlPlaneRoutes(
        IRuntimeView runtime, IRuntimeConfiguration configuration, ControlPlaneKeys keys, WebChat? chat, HookBoard hooks, Redactor redactor, TimeProvider clock, ILoggerFactory loggers)
    {
        _runtime = runtime;
        ConfigurationSnapshot settings = configuration.Current;
        WebhookIntakeOptions webhook = settings.Get<IntakeOptions>("intake").Webhook;
        Access = chat?.Access ?? new IntakeAccess(webhook, clock); // one for both, so that a change holds for both
        RequestJournal journal = new(runtime);
        AuditTrail audit = new(runtime, redactor, clock, loggers.CreateLogger<AuditTrail>());
        OperatorAction action = new(audit, clock, loggers.CreateLogger<OperatorAction>());
        Action = action;
        RefusedKeys refused = new(runtime, keys, audit, clock, loggers.CreateLogger<RefusedKeys>());
        _gate = new KeyGate(keys, refused);
        Chat = new ChatEndpoints(runtime, chat, Access, keys, _gate);
        Health = new HealthEndpoints(runtime, clock);
        Receivers = new ReceiverEndpoint(runtime, Access, loggers.CreateLogger<ReceiverEndpoint>());
        History = new FlowHistory(runtime, clock, loggers.CreateLogger<FlowHistory>());
        StatusEndpoints status = new(runtime, History, clock);
        Board = new EventBoard(runtime, configuration, redactor, clock, loggers);
        Events = new EventEndpoints(Board, keys, _gate, clock);
        Bulk = new BulkReplay(journal, runtime, action, audit, loggers.CreateLogger<BulkReplay>());
        WebhookEndpoint intake = new(runtime, webhook, Access, chat, clock, loggers.CreateLogger<WebhookEndpoint>());
        _ = configuration.Subscribe<IntakeOptions>("intake", (change, _) =>
        {
            Access.Change(change.New.Webhook);
            intake.Change(change.New.Webhook);
            return default;
        });
        All =
        [
            .. Open(intake, new HookEndpoint(runtime, hooks, Access, clock, loggers.CreateLogger<HookEndpoint>())),
            .. ChatRoutes(new ChatToolEndpoints(runtime, chat, Chat)),
            .. DashboardRoutes(),
            .. StatusRoutes(status),
            .. EventRoutes(),
            .. TraceRoutes(new TraceEndpoints(runtime, journal)),
            .. FlowRoutes(status, new FlowActions(runtime, action), new ScheduleEndpoints(runtime, action)),
            .. RestartRoutes(new RestartEndpoints(runtime, action, Board)),
            .. CommunicatorRoutes(status, new CommunicatorActions(runtime, action), new CallEndpoint(runtime, action)),
            .. JournalRoutes(
                new JournalEndpoints(runtime, journal, audit, action, History, _gate, clock),
                new ConversationEndpoints(runtime, journal, _gate),
                new MessageActions(runtime, journal, action, () => configuration.Current.Get<LimitsOptions>("limits"), clock),
                () => configuration.Current.Get<RetentionOptions>("retention")),
            Get(Viewer, "/journal/replay", "How the last replay of many stands.", Bulk.ProgressAsync) with { Result = static () => BulkJson.Default.BulkProgressView },
            Post(Operator, "/journal/replay", "Replays failed messages by filter, oldest first, at a rate.", Bulk.BeginAsync) with
            {
                Body = static () => BulkJson.Default.BulkReplayRequest,
                Result = static () => BulkJson.Default.BulkReplayView,
                Status = StatusCodes.Status202Accepted,
                Errors = [(409, "Another number fits than was confirmed (count is the right one), or a replay of many is under way.")],
            },
            .. StoreRoutes(new StoreActions(runtime, action, clock)),
            .. ConfigRoutes(new ConfigEndpoints(configuration, action)),
            .. AccessRoutes(new AccessEndpoints(keys, _gate, refused, action, clock), new AuditEndpoints(journal)),
        ];
    }

    /// <summary>The routes, in the order of the document.</summary>
    public IReadOnlyList<ApiRoute> All { get; }

    public IntakeAccess Access { get; }

    public ChatEndpoints Chat { get; }

    public HealthEndpoints Health { get; }

    /// <summary>What moved in the last hour.</summary>
    public FlowHistory History { get; }

    /// <summary>What happens, for whoever follows it.</summary>
    public EventBoard Board { get; }

    public EventEndpoints Events { get; }

    /// <summary>Does what operators ask for.</summary>
    public OperatorAction Action { get; }

    /// <summary>Replays many.</summary>
    public BulkReplay Bulk { get; }

    public ReceiverEndpoint Receivers { get; }

    /// <summary>A route for those only who have its role, once the store is open.</summary>
    public RequestDelegate Guarded(ApiRoute route) => route.Role is not { } role ? route.Handle
        : _gate.Needs(role, route.IsEarly ? route.Handle : context => IsOpening ? Problem.Opening.WriteAsync(context) : route.Handle(context));

    /// <summary>Whether the store has not opened yet, so that there is nothing to read.</summary>
    private bool IsOpening => _runtime.State is RuntimeState.Created or RuntimeState.Starting or RuntimeState.Recovering;

    private static ApiRoute Get(ApiRole role, string path, string summary, RequestDelegate handle) => new(HttpMethods.Get, Api + path, role, summary, handle);

    private static ApiRoute Post(ApiRole role, string path, string summary, RequestDelegate handle) =>
        new(HttpMethods.Post, Api + path, role, summary, handle) { Result = static () => OperationJson.Default.DoneView };

    private static ApiRoute Bare(string method, string path, string summary, RequestDelegate handle) => new(method, path, null, summary, handle);

    private IEnumerable<ApiRoute> Open(WebhookEndpoint webhook, HookEndpoint hooks)
    {
        yield return Bare(HttpMethods.Get, HealthEndpoints.LivePath, "Whether the process lives.", Health.LiveAsync) with { Media = "application/json", Errors = [(503, "It does not.")] };
        yield return Bare(HttpMethods.Get, HealthEndpoints.ReadyPath, "Whether it takes work.", Health.ReadyAsync) with { Media = "application/json", Errors = [(503, "It does not.")] };
        yield return new ApiRoute(HttpMethods.Get, "/health", Viewer, "The health of all parts.", Health.AllAsync) { IsEarly = true, Media = "application/json", Errors = [(503, "Something is unhealthy.")] };
        yield return Bare(HttpMethods.Post, "/webhook", "Takes a message.", webhook.HandleAsync) with { Result = static () => HttpJson.Default.WebhookAnswer };
        yield return Bare(HttpMethods.Post, "/hooks/{source}", "Takes what another service posts.", hooks.HandleAsync) with { Media = "application/json" };
    }

    private IEnumerable<ApiRoute> ChatRoutes(ChatToolEndpoints tools)
    {
        yield return Bare(HttpMethods.Get, "/", "Leads to the first page there is.", Chat.RootAsync) with { Status = StatusCodes.Status302Found };
        yield return Bare(HttpMethods.Get, "/chat", "The web chat.", Chat.PageAsync) with { Media = "text/html" };
        yield return Bare(HttpMethods.Get, "/chat/faults", "What goes wrong on purpose in a conversation of the web chat.", tools.FaultsAsync) with { Media = "application/json" };
        yield return Bare(HttpMethods.Put, "/chat/faults", "Lets things go wrong on purpose.", tools.SetFaultsAsync) with { Media = "application/json" };
        yield return Bare(HttpMethods.Get, "/chat/script", "A conversation as a script for tests.", tools.ScriptAsync) with { Media = "application/json" };
        yield return Bare(HttpMethods.Get, "/chat/{file}", "A file of the web chat.", ChatEndpoints.FileAsync);
        yield return Bare(HttpMethods.Get, "/events", "What the web chat says to one contact, as it happens.", Chat.EventsAsync) with { Media = "text/event-stream" };
    }

    private IEnumerable<ApiRoute> StatusRoutes(StatusEndpoints status)
    {
        yield return Get(Viewer, "/openapi.json", "This document.", DocumentAsync) with { IsEarly = true, Media = "application/json" };
        yield return Get(Viewer, "/status", "The runtime and its parts.", status.StatusAsync) with { Aliases = [$"{Api}/runtime", $"{Api}/organism", "/organism"], Result = static () => StatusJson.Default.StatusView };
        yield return new ApiRoute(HttpMethods.Get, "/metrics", Viewer, "All instruments, as Prometheus reads them.", status.MetricsAsync) { Media = StatusEndpoints.MetricsMedia };
        yield return Get(Viewer, "/stats/history", "What moved in the last hour, in steps of ten seconds.", status.HistoryAsync) with { Result = static () => StatusJson.Default.HistoryView };
    }

    private static IEnumerable<ApiRoute> DashboardRoutes()
    {
        yield return Bare(HttpMethods.Get, "/ui", "The dashboard.", DashboardEndpoints.PageAsync) with { Media = "text/html", IsOfControlPlane = true };
        yield return Bare(HttpMethods.Get, "/ui/{file}", "A file of the dashboard.", DashboardEndpoints.FileAsync) with { IsOfControlPlane = true };
    }

    private static IEnumerable<ApiRoute> TraceRoutes(TraceEndpoints traces)
    {
        yield return Get(Viewer, "/traces", "Traces by the message they began with, newest first, each with the state of the worst of what came of it.", traces.ListAsync) with { IsList = true, Query = ["queue"], Result = static () => TraceJson.Default.ListViewTraceHeadView };
        yield return Get(Viewer, "/traces/{id}", "One trace: the journal's times of its messages, and kept spans.", traces.OneAsync) with { Result = static () => TraceJson.Default.TraceView };
    }

    private IEnumerable<ApiRoute> EventRoutes()
    {
        yield return Get(Viewer, "/events", "What happens, as it happens.", Events.AllAsync) with { Query = ["type", "queue", "conversation", "messageId"], Media = "text/event-stream" };
        yield return Get(Viewer, "/journal/stream", "Moves of messages, as they happen.", Events.MovesAsync) with { Query = ["queue", "conversation", "messageId"], Media = "text/event-stream" };
    }

    private static IEnumerable<ApiRoute> FlowRoutes(StatusEndpoints status, FlowActions flow, ScheduleEndpoints schedules)
    {
        (int, string)[] wrongState = [(409, "Not possible in the state it is in.")];
        yield return Whole("pause", "Sources bring nothing and workers begin nothing; intake goes on.", flow.PauseAsync);
        yield return Whole("resume", "Ends a pause or a drain.", flow.ResumeAsync);
        yield return Whole("drain", "Pauses and waits until nothing is in work.", flow.DrainAsync) with { Body = static () => OperationJson.Default.DrainRequest, Result = static () => OperationJson.Default.DrainView };
        yield return Whole("stop", "Ends the program in order.", flow.StopAsync);
        yield return Get(Viewer, "/queues", "All queues.", status.QueuesAsync) with { IsList = true, Result = static () => StatusJson.Default.ListViewQueueView };
        yield return Get(Viewer, "/queues/{queue}", "One queue.", status.QueueAsync) with { Result = static () => StatusJson.Default.QueueView };
        yield return Post(Operator, "/queues/{queue}/pause", "Leases nothing more and goes on accepting, also after a restart.", flow.PauseQueueAsync);
        yield return Post(Operator, "/queues/{queue}/resume", "Lets a paused queue lease again.", flow.ResumeQueueAsync);
        yield return Post(Admin, "/queues/{queue}/purge", "Gives up every waiting message.", flow.PurgeQueueAsync) with
        {
            Body = static () => OperationJson.Default.PurgeRequest,
            Result = static () => OperationJson.Default.DiscardedView,
            Errors = [(409, "Another number waits than was confirmed; count is the right one.")],
        };
        yield return Get(Viewer, "/workers", "All worker pools.", status.WorkersAsync) with { IsList = true, Result = static () => StatusJson.Default.ListViewPoolView };
        yield return Get(Viewer, "/workers/{pool}", "One worker pool.", status.PoolAsync) with { Result = static () => StatusJson.Default.PoolView };
        yield return Post(Operator, "/workers/{pool}/restart", "Clears a pool's failure.", flow.RestartPoolAsync);
        yield return Post(Operator, "/workers/{pool}/pause", "Begins nothing more; what runs goes on.", flow.PausePoolAsync);
        yield return Post(Operator, "/workers/{pool}/resume", "Lets a paused pool begin again.", flow.ResumePoolAsync);
        yield return Post(Operator, "/workers/{pool}/scale", "How many messages at a time.", flow.ScalePoolAsync) with { Body = static () => OperationJson.Default.ScaleRequest };
        yield return Get(Viewer, "/sources", "All sources.", status.SourcesAsync) with { IsList = true, Result = static () => StatusJson.Default.ListViewSourceView };
        yield return Get(Viewer, "/sources/{source}", "One source.", status.SourceAsync) with { Result = static () => StatusJson.Default.SourceView };
        yield return Post(Operator, "/sources/{source}/start", "Starts a source that was stopped.", flow.StartSourceAsync);
        yield return Post(Operator, "/sources/{source}/stop", "Ends a source until it is started again.", flow.StopSourceAsync);
        yield return Post(Operator, "/sources/{source}/pause", "Holds a source back.", flow.PauseSourceAsync);
        yield return Post(Operator, "/sources/{source}/resume", "Lets a source go on.", flow.ResumeSourceAsync);
        yield return Post(Operator, "/sources/{source}/poll", "Looks for news at once.", flow.PollSourceAsync) with { Result = static () => OperationJson.Default.PollView, Errors = wrongState };
        yield return Get(Viewer, "/schedules", "All schedules with their next occurrence.", schedules.ListAsync) with { IsList = true, Result = static () => ScheduleViewJson.Default.ListViewScheduleView };
        yield return Get(Viewer, "/schedules/{schedule}", "One schedule.", schedules.OneAsync) with { Result = static () => ScheduleViewJson.Default.ScheduleView };
        yield return Get(Viewer, "/schedules/{schedule}/occurrences", "What became of its occurrences.", schedules.OccurrencesAsync) with
        {
            IsList = true,
            Query = ["since", "until", "state"],
            Result = static () => ScheduleViewJson.Default.ListViewOccurrenceView,
        };
        yield return Post(Operator, "/schedules/{schedule}/run", "Fires once now.", schedules.RunAsync) with { Status = StatusCodes.Status202Accepted, Result = static () => ScheduleViewJson.Default.ScheduleRunView, Errors = wrongState };

        ApiRoute Whole(string name, string summary, RequestDelegate handle) => Post(Admin, $"/runtime/{name}", summary, handle) with
        {
            Aliases = [$"{Api}/organism/{name}", $"/organism/{name}"],
            Body = static () => OperationJson.Default.ReasonRequest,
            BodyIsOptional = true,
            Status = StatusCodes.Status202Accepted,
            Errors = wrongState,
        };
    }

    private static IEnumerable<ApiRoute> RestartRoutes(RestartEndpoints restarts)
    {
        string[] aliases = [$"{Api}/organism/restart", "/organism/restart"];
        ApiRoute one = Post(Admin, "/runtime/restart", "Restarts the program while messages flow; the process stays where the platform can.", restarts.RequestAsync) with { Aliases = aliases, Result = static () => RestartJson.Default.RestartView };
        yield return one with
        {
            Body = static () => RestartJson.Default.RestartBody,
            BodyIsOptional = true,
            Status = StatusCodes.Status202Accepted,
            Errors = [(409, "One is under way, or the runtime does not run."), (422, "The next program would not start; every problem is listed, and nothing has changed."), (429, "There were too many lately."), (501, "This process cannot be replaced.")],
        };
        yield return one with { Method = HttpMethods.Get, Summary = "How the restart stands.", Handle = restarts.ProgressAsync };
        yield return one with { Method = HttpMethods.Delete, Summary = "Gives a restart up while it drains.", Handle = restarts.CancelAsync, Status = StatusCodes.Status202Accepted, Errors = [(409, "None is under way, or it has gone too far.")] };
        yield return Get(Viewer, "/runtime/restarts", "The runs of the program on its store, each with what the restart that began it did and cost.", restarts.RunsAsync) with { Aliases = [$"{Api}/organism/restarts", "/organism/restarts"], IsList = true, Result = static () => RestartJson.Default.ListViewRunView };
    }

    private static IEnumerable<ApiRoute> CommunicatorRoutes(StatusEndpoints status, CommunicatorActions actions, CallEndpoint calls)
    {
        yield return Get(Viewer, "/communicators", "All communicators with their lanes.", status.CommunicatorsAsync) with { IsList = true, Result = static () => StatusJson.Default.ListViewCommunicatorView };
        yield return Get(Viewer, "/communicators/{communicator}", "One communicator.", status.CommunicatorAsync) with { Result = static () => StatusJson.Default.CommunicatorView };
        yield return Post(Operator, "/communicators/{communicator}/start", "Connects it.", actions.StartAsync);
        yield return Post(Operator, "/communicators/{communicator}/stop", "Disconnects it; its messages wait.", actions.StopAsync);
        yield return Post(Operator, "/communicators/{communicator}/test", "Sends a message and waits for what becomes of it.", actions.TestAsync) with
        {
            Body = static () => OperationJson.Default.TestRequest,
            Result = static () => OperationJson.Default.TestView,
            Errors = [(502, "It was not delivered."), (504, "It is still on its way.")],
        };
        yield return Post(Operator, "/communicators/{communicator}/call", "Calls a method of its service.", calls.CallAsync) with
        {
            Body = static () => CallJson.Default.CallRequest,
            Result = static () => CallJson.Default.CallView,
            Errors = [(504, "It did not answer in time.")],
        };
        yield return Post(Operator, "/communicators/{communicator}/signal", "Shows typing or presence.", actions.SignalAsync) with { Body = static () => OperationJson.Default.SignalRequest, Status = StatusCodes.Status202Accepted };
    }

    private static IEnumerable<ApiRoute> JournalRoutes(JournalEndpoints journal, ConversationEndpoints conversations, MessageActions actions, Func<RetentionOptions> retention)
    {
        (int, string)[] wrongState = [(409, "Not possible in the state the message is in.")];
        yield return Get(Viewer, "/journal", "Messages, newest first.", journal.ListAsync) with { IsList = true, Query = JournalEndpoints.Filters, Result = static () => JournalJson.Default.ListViewMessageView };
        yield return Get(Viewer, "/journal/stats", "Counts, what moves per second, and what the last recovery found.", journal.StatsAsync) with { Query = ["queue"], Result = static () => JournalJson.Default.JournalStatsView };
        yield return Get(Viewer, "/journal/{id}", "One message; its body is for operators.", journal.OneAsync) with { Query = ["body"], Result = static () => JournalJson.Default.MessageDetailView };
        yield return Get(Viewer, "/journal/{id}/why", "Where a message stands, why, and what happens next.", journal.WhyAsync) with { Result = static () => JournalJson.Default.WhyView };
        yield return Get(Operator, "/journal/{id}/body", "The bytes of a body.", journal.BodyAsync) with { Media = "*/*", Errors = [(410, "It was erased.")] };
        yield return Get(Operator, "/journal/{id}/attachments/{number}", "The bytes of a file.", journal.AttachmentAsync) with { Media = "*/*", Errors = [(410, "It was erased.")] };
        yield return Post(Operator, "/journal/{id}/replay", "Makes a finished message due again; with dryRun handler it says what its handler would do, and changes nothing.", journal.ReplayAsync) with
        {
            Body = static () => JournalJson.Default.ReplayRequest,
            BodyIsOptional = true,
            Status = StatusCodes.Status202Accepted,
            Result = static () => JournalJson.Default.ReplayView,
            Errors = wrongState,
        };
        yield return Post(Operator, "/journal/{id}/discard", "Gives a message up.", actions.DiscardAsync) with { Body = static () => OperationJson.Default.DiscardRequest, BodyIsOptional = true, Errors = wrongState };
        yield return Post(Operator, "/journal/{id}/confirm", "Resolves an uncertain send as delivered.", actions.ConfirmAsync) with { Body = static () => OperationJson.Default.DiscardRequest, BodyIsOptional = true, Errors = wrongState };
        yield return Post(Admin, "/journal/compact", "Removes finished messages whose time is past.", context => actions.CompactAsync(context, retention())) with
        {
            Body = static () => OperationJson.Default.CompactRequest,
            BodyIsOptional = true,
            Result = static () => OperationJson.Default.CompactView,
        };
        yield return Get(Viewer, "/conversations", "Conversations by their latest message.", conversations.ListAsync) with { Aliases = [$"{Api}/threads"], IsList = true, Query = ["status"], Result = static () => JournalJson.Default.ListViewConversationView };
        yield return Get(Viewer, "/conversations/{**path}", "One conversation; with /messages its messages.", conversations.OneAsync) with
        {
            Aliases = [$"{Api}/threads/{{**path}}"],
            Result = static () => JournalJson.Default.ConversationView,
        };
        yield return Post(Operator, "/conversations/{**path}", "With /kill: gives up a conversation's open messages.", actions.KillAsync) with
        {
            Aliases = [$"{Api}/threads/{{**path}}"],
            Body = static () => OperationJson.Default.ReasonRequest,
            BodyIsOptional = true,
            Result = static () => OperationJson.Default.DiscardedView,
        };
        yield return Post(Operator, "/send", "Sends a message.", actions.SendAsync) with
        {
            Aliases = [$"{Api}/emit"],
            Body = static () => OperationJson.Default.SendRequest,
            Status = StatusCodes.Status202Accepted,
            Result = static () => OperationJson.Default.SendView,
            Errors = [(422, "Nothing takes it, and the policy is to reject.")],
        };
        yield return Post(Operator, "/inject", "Puts a message on a queue.", actions.InjectAsync) with
        {
            Body = static () => OperationJson.Default.InjectRequest,
            Status = StatusCodes.Status202Accepted,
            Result = static () => OperationJson.Default.InjectView,
            Errors = [(422, "There is no such queue.")],
        };
    }

    private static IEnumerable<ApiRoute> StoreRoutes(StoreActions store)
    {
        yield return Post(Admin, "/store/backup", "Copies the store while messages flow, to a new file in the data directory.", store.BackupAsync) with
        {
            Body = static () => OperationJson.Default.BackupRequest,
            Result = static () => OperationJson.Default.BackupView,
            Errors = [(409, "The file is there already or cannot be written, or the store has no file.")],
        };
        yield return new ApiRoute(HttpMethods.Delete, $"{Api}/contacts/{{**address}}", Admin, "Erases what is kept of a contact's finished messages, but for their records.", store.EraseAsync)
        {
            Body = static () => OperationJson.Default.ConfirmRequest,
            BodyIsOptional = true,
            Result = static () => OperationJson.Default.ErasedView,
            Errors = [(409, "A message of the contact is open, or another number is kept than was confirmed; count is the right one.")],
        };
    }

    private static IEnumerable<ApiRoute> ConfigRoutes(ConfigEndpoints config)
    {
        (int, string)[] invalid = [(422, "It cannot be used; every problem is listed, and nothing has changed.")];
        yield return Get(Viewer, "/config", "The settings in force, each with the layer that won.", config.OneAsync) with { Query = ["section"], Result = static () => ConfigJson.Default.ConfigView };
        yield return Get(Viewer, "/config/problems", "What kept the last reload from being used.", config.ProblemsAsync) with { Result = static () => ConfigJson.Default.ConfigProblemsView };
        yield return Post(Admin, "/config/reload", "Reads everything again.", config.ReloadAsync) with
        {
            Aliases = [$"{Api}/runtime/reload", $"{Api}/organism/reload", "/organism/reload"],
            Result = static () => ConfigJson.Default.ConfigDiffView,
            Errors = invalid,
        };
        yield return Post(Admin, "/config/rollback", "Goes back to the snapshot before the last reload.", config.RollbackAsync) with { Result = static () => ConfigJson.Default.ConfigDiffView, Errors = [(409, "There is none.")] };
        yield return Post(Admin, "/config/validate", "Says what a platform file would change; changes nothing.", config.ValidateAsync) with { Body = static () => ConfigJson.Default.ValidateRequest, Result = static () => ConfigJson.Default.ValidateView };
        yield return new ApiRoute(HttpMethods.Put, $"{Api}/config/overrides/{{key}}", Admin, "Sets one override, which wins over every layer.", config.SetAsync)
        {
            Body = static () => ConfigJson.Default.OverrideRequest,
            Result = static () => ConfigJson.Default.ConfigDiffView,
            Errors = invalid,
        };
        yield return new ApiRoute(HttpMethods.Delete, $"{Api}/config/overrides/{{key}}", Admin, "Removes one override.", config.RemoveAsync)
        {
            Query = ["persist"],
            Result = static () => ConfigJson.Default.ConfigDiffView,
            Errors = invalid,
        };
    }

    private static IEnumerable<ApiRoute> AccessRoutes(AccessEndpoints access, AuditEndpoints audit)
    {
        yield return Get(Admin, "/audit", "Who did what, newest first.", audit.ListAsync) with { IsList = true, Query = ["user", "action", "since"], Result = static () => OperationJson.Default.ListViewAuditRowView };
        yield return Get(Admin, "/keys", "All keys, without their texts.", access.KeysAsync) with { IsList = true, Result = static () => AccessJson.Default.ListViewKeyView };
        yield return Post(Admin, "/keys", "Makes a key; its text is shown this once.", access.MakeKeyAsync) with { Body = static () => AccessJson.Default.KeyRequest, Status = StatusCodes.Status201Created, Result = static () => AccessJson.Default.NewKeyView };
        yield return new ApiRoute(HttpMethods.Delete, $"{Api}/keys/{{id}}", Admin, "Revokes a key.", access.RemoveKeyAsync) { Result = static () => OperationJson.Default.DoneView, Errors = [(409, "It is in the configuration.")] };
        yield return Bare(HttpMethods.Post, $"{Api}/session", "Signs in with a key or a code.", access.OpenSessionAsync) with { IsOfControlPlane = true, Body = static () => AccessJson.Default.SessionRequest, Result = static () => AccessJson.Default.SessionView, Errors = [(401, "It is not valid."), (429, "Too many failures.")] };
        yield return Post(Viewer, "/session/code", "Makes a code that signs in once, within ten minutes, as the key that asks for it; not for a session.", access.MakeCodeAsync) with { Status = StatusCodes.Status201Created, Result = static () => AccessJson.Default.CodeView };
        yield return Bare(HttpMethods.Get, $"{Api}/session", "Who is signed in.", access.SessionAsync) with { IsOfControlPlane = true, Result = static () => AccessJson.Default.SessionView, Errors = [(401, "Nobody is.")] };
        yield return Bare(HttpMethods.Delete, $"{Api}/session", "Signs out.", access.CloseSessionAsync) with { IsOfControlPlane = true, Result = static () => OperationJson.Default.DoneView };
    }

    private async Task DocumentAsync(HttpContext context)
    {
        byte[] document = _document ??= OpenApiDocument.Write(All, (await _runtime.GetStatusAsync(context.RequestAborted)).Version);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = document.Length;
        await context.Response.Body.WriteAsync(document, context.RequestAborted);
    }
}
