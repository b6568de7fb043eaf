namespace Postroom.Configuration;

/// <summary>Builds one candidate from all layers: load, merge, expand, read, check. It has no state of its own and changes nothing.</summary>
internal sealed class ConfigurationLoader(ConfigurationSources sources, Redactor redactor)
{
    /// <summary>What a load gave. Sections and readings are only usable without errors.</summary>
    public sealed record Candidate(
        IReadOnlyDictionary<string, object> Sections, IReadOnlyList<SettingReading> Readings, IReadOnlyList<ConfigurationProblem> Problems, IReadOnlyList<ConfigurationProblem> Notices);

    public ValueTask<Candidate> LoadAsync(CancellationToken cancellationToken) => LoadAsync(platform: null, cancellationToken);

    /// <summary>As the other, with another text of the platform file; null for what is in the file.</summary>
    public async ValueTask<Candidate> LoadAsync(string? platform, CancellationToken cancellationToken)
    {
        var problems = new List<ConfigurationProblem>();
        SettingMap merged = SettingMap.Empty;
        IEnumerable<IConfigurationLayer> layers = platform is null ? sources.Layers : [new DocumentLayer(platform), .. sources.Layers.Where(static layer => layer.Name != LayerNames.PlatformFile)];
        foreach (IConfigurationLayer layer in layers)
        {
            merged = SettingTree.Merge(merged, await LoadLayerAsync(layer, problems, cancellationToken));
        }

        // A layer that could not be read would make everything it holds look missing.
        if (problems.Count > 0)
        {
            return Refused(problems);
        }

        SettingMap expanded = await ExpandAsync(merged, problems, cancellationToken);
        var session = new BindingSession();
        SectionReader root = session.Root(expanded);
        Dictionary<string, object> sections = new(SettingKey.Comparer);
        foreach (SettingsSection section in BuiltInSections.Create(sources.Catalog).Concat(sources.Catalog.Sections))
        {
            if (!sections.TryAdd(section.Name, section.Read(root)))
            {
                problems.Add(new ConfigurationProblem(section.Name, $"Section '{section.Name}' is described twice. Give the application's section another name.", SettingOrigin.Defaults));
            }
        }

        root.Finish();
        BuiltInSections.CheckTogether(root, sections, sources.Catalog);
        session.Secrets.ForEach(redactor.AddSecret);
        problems.AddRange(session.Problems);
        return problems.Any(problem => !problem.IsNotice)
            ? Refused(problems)
            : new Candidate(sections, session.Readings, [], Masked(problems));
    }

    /// <summary>Some sections alone, whatever is wrong with the others, which are not even expanded.</summary>
    /// <param name="names">The sections.</param>
    /// <param name="except">A setting of theirs that nobody asks for, so that what is wrong with it does not matter, such as <c>server.keys</c>.</param>
    /// <param name="cancellationToken">Ends the load.</param>
    /// <exception cref="ConfigurationException">A layer cannot be read, or one of the sections is not valid; every problem is listed.</exception>
    public async ValueTask<ConfigurationSnapshot> LoadSectionsAsync(IReadOnlyCollection<string> names, string except, CancellationToken cancellationToken)
    {
        List<ConfigurationProblem> problems = [];
        SettingMap merged = SettingMap.Empty;
        foreach (IConfigurationLayer layer in sources.Layers)
        {
            merged = SettingTree.Merge(merged, await LoadLayerAsync(layer, problems, cancellationToken));
        }

        HashSet<string> wanted = new([.. names, "secrets"], SettingKey.Comparer);
        SettingMap part = await ExpandAsync(new SettingMap([.. merged.Entries.Where(entry => wanted.Contains(entry.Key))], merged.Origin), problems, cancellationToken);
        BindingSession session = new();
        SectionReader root = session.Root(part);
        Dictionary<string, object> sections = BuiltInSections.Create(sources.Catalog).Where(section => wanted.Contains(section.Name)).ToDictionary(section => section.Name, section => section.Read(root), SettingKey.Comparer);
        session.Secrets.ForEach(redactor.AddSecret);
        problems.AddRange(session.Problems);
        problems.RemoveAll(problem => problem.Key.StartsWith(except, StringComparison.Ordinal));
        return problems.Any(problem => !problem.IsNotice)
            ? throw new ConfigurationException(Masked(problems.Where(problem => !problem.IsNotice)))
            : new ConfigurationSnapshot(1, sections, session.Readings, Masked(problems), redactor);
    }

    /// <summary>The modules that the layers name, whatever else is wrong with them.</summary>
    public async ValueTask<IReadOnlyList<string>> ReadModulesAsync(CancellationToken cancellationToken)
    {
        List<ConfigurationProblem> ignored = [];
        SettingMap merged = SettingMap.Empty;
        foreach (IConfigurationLayer layer in sources.Layers)
        {
            merged = SettingTree.Merge(merged, await LoadLayerAsync(layer, ignored, cancellationToken));
        }

        return new BindingSession().Root(await ExpandAsync(merged, ignored, cancellationToken)).ReadTexts("modules");
    }

    /// <summary>A text that stands for the platform file.</summary>
    private sealed class DocumentLayer(string text) : IConfigurationLayer
    {
        public string Name => LayerNames.PlatformFile;

        public ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken)
        {
            byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
            return bytes.Length <= SettingText.MaxBytes
                ? new ValueTask<SettingMap>(SettingText.Parse(bytes, Name, "document"))
                : throw SettingText.Refuse(Name, "document", 0, 0, $"The document has {bytes.Length} bytes; a settings file has at most 4 MiB. Move what is not a setting elsewhere.");
        }

        public Task WatchAsync(Action changed, CancellationToken cancellationToken) => Forever.UntilCancelled(cancellationToken);
    }

    /// <summary>Texts of problems may quote a value that is, or holds, a secret.</summary>
    private Candidate Refused(List<ConfigurationProblem> problems) =>
        new(new Dictionary<string, object>(), [], Masked(problems.Where(problem => !problem.IsNotice)), []);

    private List<ConfigurationProblem> Masked(IEnumerable<ConfigurationProblem> problems) =>
        [.. problems.Select(problem => problem with { Message = redactor.Redact(problem.Message) })];

    private static async ValueTask<SettingMap> LoadLayerAsync(IConfigurationLayer layer, List<ConfigurationProblem> problems, CancellationToken cancellationToken)
    {
        try
        {
            return await layer.LoadAsync(cancellationToken);
        }
        catch (ConfigurationException e)
        {
            problems.AddRange(e.Problems);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            problems.Add(new ConfigurationProblem("", $"The settings of layer '{layer.Name}' cannot be read: {e.Message}", new SettingOrigin(layer.Name)));
        }

        return SettingMap.Empty;
    }

    /// <summary>First the section that says where secrets are, then everything else, which may name them.</summary>
    private async ValueTask<SettingMap> ExpandAsync(SettingMap merged, List<ConfigurationProblem> problems, CancellationToken cancellationToken)
    {
        const string Section = "secrets";
        var plain = new ValueExpander(sources.Variables, new Dictionary<string, ISecretStore>(), redactor, problems);
        SettingMap own = merged.Find(Section) is SettingMap map ? await plain.ExpandAsync(map, Section, cancellationToken) : SettingMap.Empty;

        // Read once more with all other sections, which is when its own problems are reported.
        SecretsOptions options = SectionReader.Bind(own, Section, ProcessSections.ReadSecrets, []);
        Dictionary<string, ISecretStore> stores = new(StringComparer.Ordinal);
        ISecretStore[] builtIn =
        [
            new EnvironmentSecretStore(sources.Variables), new DotenvSecretStore(options.Dotenv),
            new DirectorySecretStore(options.Directory), new YamlSecretStore(options.Yaml),
        ];
        foreach (ISecretStore store in builtIn.Concat(sources.SecretStores))
        {
            stores[store.Name] = store;
        }

        var expander = new ValueExpander(sources.Variables, stores, redactor, problems);
        var rest = new SettingMap([.. merged.Entries.Where(entry => !SettingKey.Comparer.Equals(entry.Key, Section))], merged.Origin);
        SettingMap expanded = await expander.ExpandAsync(rest, "", cancellationToken);
        return merged.Find(Section) is { } node
            ? new SettingMap([.. expanded.Entries, KeyValuePair.Create(Section, node is SettingMap ? own : node)], merged.Origin)
            : expanded;
    }
}
