using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>The configuration in force, and the way to the next one (CF-7, CF-9, CP-10).</summary>
internal sealed class ConfigEndpoints(IRuntimeConfiguration configuration, OperatorAction action)
{
    private const int MaxDocument = 8 << 20; // as JSON text; the document itself may have 4 MiB

    public Task OneAsync(HttpContext context)
    {
        ConfigurationSnapshot now = configuration.Current;
        string? section = ApiQuery.Of(context, "section").Text("section");
        IEnumerable<SettingView> settings = now.View().Where(view => section is null || SettingKey.Comparer.Equals(view.Key.Split('.', '[')[0], section));
        ConfigView view = new(now.Version, [.. settings.Select(ConfigSettingView.Of)], [.. now.Notices.Select(ConfigProblemView.Of)], [.. configuration.Problems.Select(ConfigProblemView.Of)]);
        return ApiAnswer.WriteAsync(context, view, ConfigJson.Default.ConfigView);
    }

    public Task ProblemsAsync(HttpContext context) =>
        ApiAnswer.WriteAsync(context, new ConfigProblemsView([.. configuration.Problems.Select(ConfigProblemView.Of)]), ConfigJson.Default.ConfigProblemsView);

    /// <summary>Reads everything again.</summary>
    public Task ReloadAsync(HttpContext context) => ChangeAsync(context, "config.reload", "", token => configuration.ReloadAsync(previous: false, token));

    /// <summary>Goes back to the snapshot before the last reload.</summary>
    public Task RollbackAsync(HttpContext context) => ChangeAsync(context, "config.rollback", "", token => configuration.ReloadAsync(previous: true, token));

    /// <summary>Says whether a document could be the platform file, and what it would change; changes nothing.</summary>
    public async Task ValidateAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxDocument, new ValidateRequest(), ConfigJson.Default.ValidateRequest) is not { } request)
        {
            return;
        }

        if (request.Document is not { } document)
        {
            throw new BadRequestException("document", "document is required: the text of a settings file, YAML or JSON.");
        }

        ReloadResult result = await configuration.ValidateAsync(document, context.RequestAborted);
        ValidateView view = new(result.Problems.Count == 0, [.. result.Problems.Select(ConfigProblemView.Of)], Changes(result));
        await ApiAnswer.WriteAsync(context, view, ConfigJson.Default.ValidateView);
    }

    /// <summary>Sets one override, which wins over every layer.</summary>
    public async Task SetAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, 64 * 1024, new OverrideRequest(), ConfigJson.Default.OverrideRequest) is not { } request)
        {
            return;
        }

        string value = request.Value switch
        {
            { ValueKind: JsonValueKind.String } text => text.GetString()!,
            { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } other => other.GetRawText(),
            _ => throw new BadRequestException("value", "value is required; DELETE removes an override."),
        };
        await ChangeAsync(context, "config.override", KeyOf(context), token => configuration.SetOverrideAsync(KeyOf(context), value, request.Persist, token), request.Persist);
    }

    /// <summary>Removes one override, the stored one as well.</summary>
    public Task RemoveAsync(HttpContext context)
    {
        bool persist = ApiQuery.Of(context, "persist").Flag("persist");
        return ChangeAsync(context, "config.override.remove", KeyOf(context), token => configuration.SetOverrideAsync(KeyOf(context), null, persist, token), persist);
    }

    /// <summary>Changes the configuration; the audit is told what differs since, as it may be shown: secrets read <c>***</c>.</summary>
    private Task ChangeAsync(HttpContext context, string name, string target, Func<CancellationToken, Task<ReloadResult>> change, bool persist = false)
    {
        JsonObject detail = new() { ["persist"] = persist ? true : null };
        return action.DoAsync(
            context,
            name,
            target,
            async token =>
            {
                ReloadResult result = await change(token);
                if (result.NothingToRestore)
                {
                    throw new RuntimeConflictException("There is no configuration before this one: none was reloaded since the start, or it was restored already.");
                }

                if (!result.Applied)
                {
                    throw new ConfigurationException(result.Problems);
                }

                detail["version"] = result.Version;
                detail["changes"] = new JsonArray([.. result.Changes.Select(one => new JsonObject { ["key"] = one.Key, ["old"] = one.Old, ["new"] = one.New, ["needsRestart"] = one.NeedsRestart ? true : null })]);
                return new ConfigDiffView(result.Version, Changes(result), [.. result.NeedsRestart]);
            },
            ConfigJson.Default.ConfigDiffView,
            detail: detail);
    }

    private static IReadOnlyList<ConfigChangeView> Changes(ReloadResult result) =>
        [.. result.Changes.Select(change => new ConfigChangeView(change.Key, change.Old, change.New, change.NeedsRestart))];

    private static string KeyOf(HttpContext context) => context.Request.RouteValues["key"] as string ?? "";
}
