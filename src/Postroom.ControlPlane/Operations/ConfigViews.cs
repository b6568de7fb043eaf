using System.Text.Json;
using System.Text.Json.Serialization;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>The settings in force, each with the layer that won; secrets read <c>***</c>.</summary>
internal sealed record ConfigView(long Version, IReadOnlyList<ConfigSettingView> Settings, IReadOnlyList<ConfigProblemView> Notices, IReadOnlyList<ConfigProblemView> Problems);

/// <summary>One setting.</summary>
internal sealed record ConfigSettingView(string Key, string? Value, string Layer, string? Source, int? Line, bool Secret)
{
    public static ConfigSettingView Of(SettingView view) => new(view.Key, view.Value, view.Origin.Layer, view.Origin.Source, view.Origin.Line > 0 ? view.Origin.Line : null, view.IsSecret);
}

/// <summary>One thing that is wrong with the configuration.</summary>
internal sealed record ConfigProblemView(string Key, string Message, string Layer, string? Source, int? Line, int? Column)
{
    public static ConfigProblemView Of(ConfigurationProblem problem) => new(
        problem.Key, problem.Message, problem.Origin.Layer, problem.Origin.Source, problem.Origin.Line > 0 ? problem.Origin.Line : null, problem.Origin.Column > 0 ? problem.Origin.Column : null);
}

/// <summary>What kept the last reload from being used.</summary>
internal sealed record ConfigProblemsView(IReadOnlyList<ConfigProblemView> Problems);

/// <summary>What a reload or an override changed.</summary>
internal sealed record ConfigDiffView(long Version, IReadOnlyList<ConfigChangeView> Changes, IReadOnlyList<string> NeedsRestart);

/// <summary>One setting that differs.</summary>
internal sealed record ConfigChangeView(string Key, string? Old, string? New, bool NeedsRestart);

/// <summary>A document to be looked at as if it were the platform file.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ValidateRequest(string? Document = null);

/// <summary>Whether a document could be used.</summary>
internal sealed record ValidateView(bool Valid, IReadOnlyList<ConfigProblemView> Problems, IReadOnlyList<ConfigChangeView> Changes);

/// <summary>One override.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record OverrideRequest(JsonElement? Value = null, bool Persist = false);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ConfigView))]
[JsonSerializable(typeof(ConfigProblemsView))]
[JsonSerializable(typeof(ConfigDiffView))]
[JsonSerializable(typeof(ValidateRequest))]
[JsonSerializable(typeof(ValidateView))]
[JsonSerializable(typeof(OverrideRequest))]
internal sealed partial class ConfigJson : JsonSerializerContext;
