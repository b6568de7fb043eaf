namespace Postroom;

/// <summary>Where the built-in secret stores look. Bound from <c>secrets</c>, whose values may not name secrets themselves.</summary>
public sealed record SecretsOptions
{
    /// <summary>The file of the store <c>dotenv</c>: lines of <c>NAME=value</c>. <c>.env</c> unless set.</summary>
    public string Dotenv { get; set; } = ".env";

    /// <summary>The directory of the store <c>file</c>: one secret per file. <c>secrets</c> unless set.</summary>
    public string Directory { get; set; } = "secrets";

    /// <summary>The file of the store <c>yaml</c>: one map of names and values. <c>secrets.yaml</c> unless set.</summary>
    public string Yaml { get; set; } = "secrets.yaml";
}
