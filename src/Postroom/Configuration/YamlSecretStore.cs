namespace Postroom.Configuration;

/// <summary>Secrets of a YAML file: <c>${secret://yaml:mail.password}</c> follows the names of its maps.</summary>
/// <param name="path">The file; read as the settings files are.</param>
public sealed class YamlSecretStore(string path) : ISecretStore
{
    /// <inheritdoc/>
    public string Name => "yaml";

    /// <inheritdoc/>
    public async ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken)
    {
        if (await SecretFile.ReadAsync(path, cancellationToken) is not { } text || SettingKey.Split(key) is not { } names)
        {
            return null;
        }

        try
        {
            SettingMap map = YamlSettings.Parse(text, "secrets", path);
            return (SettingTree.Find(map, names) as SettingValue ?? map.Find(key) as SettingValue)?.Text;
        }
        catch (ConfigurationException e)
        {
            // Only the place: a message about the text might quote it.
            SettingOrigin at = e.Problems[0].Origin;
            throw new SecretRefusedException($"'{at.Location ?? path}' is not the YAML that settings use.");
        }
    }
}
