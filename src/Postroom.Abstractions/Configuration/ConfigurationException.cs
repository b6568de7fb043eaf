namespace Postroom.Configuration;

/// <summary>The configuration cannot be used. The message lists every problem; none holds a secret.</summary>
/// <param name="problems">At least one problem.</param>
public sealed class ConfigurationException(IReadOnlyList<ConfigurationProblem> problems)
    : Exception($"The configuration has {(problems.Count == 1 ? "a problem" : $"{problems.Count} problems")}:"
        + string.Concat(problems.Select(problem => $"{Environment.NewLine}  {problem}")))
{
    /// <summary>Every problem found, in the order of the settings.</summary>
    public IReadOnlyList<ConfigurationProblem> Problems { get; } = problems;
}
