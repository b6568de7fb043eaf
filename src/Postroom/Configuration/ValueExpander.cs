using System.Text;

namespace Postroom.Configuration;

/// <summary>
/// Replaces <c>${VAR}</c>, <c>${VAR:-default}</c> and <c>${secret://store:key}</c> in values; <c>$${</c> is a literal <c>${</c>.
/// </summary>
/// <remarks>What a reference gave is not expanded again. A value with a part from a secret store is a secret as a whole.</remarks>
internal sealed class ValueExpander(
    IReadOnlyDictionary<string, string> variables, IReadOnlyDictionary<string, ISecretStore> stores, Redactor redactor, ICollection<ConfigurationProblem> problems)
{
    private const string SecretScheme = "secret://";

    /// <summary>Expands every value of a map. One that cannot be expanded is reported and marked, so that readers do not report it again.</summary>
    public async ValueTask<SettingMap> ExpandAsync(SettingMap map, string path, CancellationToken cancellationToken) =>
        (SettingMap)await ExpandNodeAsync(map, path, cancellationToken);

    private async ValueTask<SettingNode> ExpandNodeAsync(SettingNode node, string path, CancellationToken cancellationToken)
    {
        switch (node)
        {
            case SettingMap map:
                var entries = new List<KeyValuePair<string, SettingNode>>(map.Entries.Count);
                foreach ((string name, SettingNode child) in map.Entries)
                {
                    entries.Add(KeyValuePair.Create(name, await ExpandNodeAsync(child, SettingKey.Join(path, name), cancellationToken)));
                }

                return new SettingMap(entries, map.Origin) { Inline = map.Inline };

            case SettingList list:
                var items = new List<SettingNode>(list.Items.Count);
                foreach (SettingNode item in list.Items)
                {
                    items.Add(await ExpandNodeAsync(item, path, cancellationToken));
                }

                return new SettingList(items, list.Origin) { Inline = list.Inline };

            case SettingValue { Text: { } text } value when text.Contains("${", StringComparison.Ordinal):
                return await ExpandTextAsync(text, path, value.Origin, cancellationToken);

            default:
                return node;
        }
    }

    private async ValueTask<SettingValue> ExpandTextAsync(string text, string path, SettingOrigin origin, CancellationToken cancellationToken)
    {
        var result = new StringBuilder();
        bool isSecret = false;
        int at = 0;
        while (text.IndexOf("${", at, StringComparison.Ordinal) is var start and >= 0)
        {
            if (start > at && text[start - 1] == '$')
            {
                result.Append(text, at, start - 1 - at).Append("${");
                at = start + 2;
                continue;
            }

            int end = text.IndexOf('}', start);
            string reference = end < 0 ? "" : text[(start + 2)..end];
            (string? value, string? complaint) = end < 0
                ? (null, "has '${' without '}'. Close it, or write '$${' for a literal '${'.")
                : reference.StartsWith(SecretScheme, StringComparison.Ordinal)
                    ? await ReadSecretAsync(reference, cancellationToken)
                    : ReadVariable(reference);
            if (value is null)
            {
                problems.Add(new ConfigurationProblem(path, $"{path} {complaint}", origin));
                return new SettingValue("", origin) { IsBroken = true };
            }

            isSecret |= reference.StartsWith(SecretScheme, StringComparison.Ordinal);
            result.Append(text, at, start - at).Append(value);
            at = end + 1;
        }

        return new SettingValue(result.Append(text, at, text.Length - at).ToString(), origin) { IsSecret = isSecret };
    }

    private (string? Value, string? Complaint) ReadVariable(string reference)
    {
        int mark = reference.IndexOf(":-", StringComparison.Ordinal);
        string name = mark < 0 ? reference : reference[..mark];
        if (name.Length == 0 || name.AsSpan().ContainsAny(" :/${"))
        {
            return (null, $"has '${{{Redactor.Cut(reference, 80)}}}', which names no variable. Write ${{NAME}}, ${{NAME:-default}} or ${{secret://store:key}}.");
        }

        // As in a shell, ':-' also stands in for an empty variable.
        if (variables.TryGetValue(name, out string? value) && (value.Length > 0 || mark < 0))
        {
            return (value, null);
        }

        return mark >= 0
            ? (reference[(mark + 2)..], null)
            : (null, $"needs the environment variable {name}, which is not set. Set it, or write ${{{name}:-default}}.");
    }

    private async ValueTask<(string? Value, string? Complaint)> ReadSecretAsync(string reference, CancellationToken cancellationToken)
    {
        string where = reference[SecretScheme.Length..];
        int colon = where.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || colon == where.Length - 1)
        {
            return (null, $"has '${{{reference}}}', which names no secret. Write ${{secret://store:key}}.");
        }

        string name = where[..colon];
        string key = where[(colon + 1)..];
        if (!stores.TryGetValue(name, out ISecretStore? store))
        {
            return (null, stores.Count == 0
                ? "names a secret, but the section 'secrets' is read before any secret store exists. Write the value, or ${NAME}."
                : $"names the secret store '{name}', which does not exist. There are {string.Join(", ", stores.Keys)}.");
        }

        try
        {
            string? value = await store.GetAsync(key, cancellationToken);
            redactor.AddSecret(value);
            return (value, $"needs the secret '{key}', which the secret store '{name}' does not have. Add it there, or correct the name.");
        }
        catch (SecretRefusedException e)
        {
            return (null, $"needs the secret '{key}' of the store '{name}', which is refused: {e.Message}");
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return (null, $"needs the secret '{key}', but the secret store '{name}' failed: {redactor.Redact(e.Message)}");
        }
    }
}
