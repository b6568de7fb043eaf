namespace Postroom.Host;

/// <summary>
/// Reads a plain <c>run</c> line by itself, which is how the program is started nearly always: the parser for everything else is a library
/// whose loading a start would feel.
/// </summary>
internal static class RunLine
{
    /// <summary>Says what this node does, which is a setting too.</summary>
    public const string RoleOption = "--role";

    /// <summary>The setting that a role stands for.</summary>
    public static string RoleSetting(string role) => $"runtime.role={role}";

    /// <summary>The arguments of a line that only has the options below, each with its value in a word of its own; null leaves the line, errors included, to the parser.</summary>
    public static HostArguments? Read(ReadOnlySpan<string> words)
    {
        if (words is not [PostroomCommand.RunName, .. ReadOnlySpan<string> rest])
        {
            return null;
        }

        HostArguments result = new();
        List<string> settings = [];
        while (rest.Length > 0)
        {
            string? value = rest.Length > 1 && rest[1] is { Length: > 0 } next && next[0] is not ('-' or '@' or '[') ? rest[1] : null;
            switch (rest[0])
            {
                case "--paused":
                    result = result with { Paused = true };
                    rest = rest[1..];
                    break;
                case "--quiet":
                    result = result with { Quiet = true };
                    rest = rest[1..];
                    break;
                case RoleOption when value is not null:
                    settings.Add(RoleSetting(value));
                    rest = rest[2..];
                    break;
                case "--set" when value is not null:
                    settings.Add(value);
                    rest = rest[2..];
                    break;
                case "--config" when value is not null && result.Config is null:
                    result = result with { Config = value };
                    rest = rest[2..];
                    break;
                case "--app-config" when value is not null && result.AppConfig is null:
                    result = result with { AppConfig = value };
                    rest = rest[2..];
                    break;
                default:
                    return null;
            }
        }

        return result with { Settings = settings };
    }
}
