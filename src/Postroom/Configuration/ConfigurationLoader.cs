namespace Postroom.Configuration;

/// <summary>Builds one candidate from all layers: load, merge, expand, read, check. It has no state of its own and changes nothing.</summary>
internal sealed class ConfigurationLoader(ConfigurationSources sources, Redactor redactor)
{
    private const string Secrets = "secrets";

    /// <summary>What a load gave. Sections and readings are only usable without errors.</summary>
    public sealed record Candidate(
        IReadOnlyList<Layer> Layers, IReadOnlyDictionary<string, object> Sections, IReadOnlyList<SettingReading> Readings, IReadOnlyList<ConfigurationProblem> Problems, IReadOnlyList<ConfigurationProblem> Notices);

    /// <summary>What one layer holds, as it was read.</summary>
    public sealed record Layer(string Name, SettingMap Settings);

    public ValueTask<Candidate> LoadAsync(CancellationToken cancellationToken) => LoadAsync(platform: null, cancellationToken);

    /// <summary>As the other, with another text of the platform file; null for what is in the file.</summary>
    public async ValueTask<Candidate> LoadAsync(string? platform, CancellationToken cancellationToken)
    {
        var problems = new List<ConfigurationProblem>();
        IEnumerable<IConfigurationLayer> layers = platform is null ? sources.Layers : [new DocumentLayer(platform), .. sources.Layers.Where(static layer => layer.Name != LayerNames.PlatformFile)];
        IReadOnlyList<Layer> read = await ReadLayersAsync(layers, problems, problems, cancellationToken);

        // A layer that could not be read would make everything it holds look missing.
        return problems.Count > 0 ? Refused(problems) : await BuildAsync(read, cancellationToken);
    }

    /// <summary>Builds from what layers held when they were read; none is read again.</summary>
    public async ValueTask<Candidate> BuildAsync(IReadOnlyList<Layer> layers, CancellationToken cancellationToken)
    {
        var problems = new List<ConfigurationProblem>();
        SettingMap merged = Merge(layers);
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
            : new Candidate(layers, sections, session.Readings, [], Masked(problems));
    }

    /// <summary>Some sections alone, whatever is wrong with the others, which are not even expanded.</summary>
    /// <param name="names">The sections.</param>
    /// <param name="except">A setting of theirs that nobody asks for, so that what is wrong with it does not matter, such as <c>server.keys</c>.</param>
    /// <param name="cancellationToken">Ends the load.</param>
    /// <exception cref="ConfigurationException">A layer cannot be read, or one of the sections is not valid; every problem is listed.</exception>
    public async ValueTask<ConfigurationSnapshot> LoadSectionsAsync(IReadOnlyCollection<string> names, string except, CancellationToken cancellationToken)
    {
        List<ConfigurationProblem> problems = [];

        // Whoever asks for some sections may not be allowed to read the database, which seldom has them.
        SettingMap merged = Merge(await ReadLayersAsync(sources.Layers, problems, [], cancellationToken));
        SettingMap part = await ExpandAsync(Only(merged, [.. names, Secrets]), problems, cancellationToken);
        BindingSession session = new();
        SectionReader root = session.Root(part);
        Dictionary<string, object> sections = Read(root, [.. names, Secrets]);
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
        SettingMap merged = Merge(await ReadLayersAsync(sources.Layers, ignored, ignored, cancellationToken));
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
        new([], new Dictionary<string, object>(), [], Masked(problems.Where(problem => !problem.IsNotice)), []);

    private List<ConfigurationProblem> Masked(IEnumerable<ConfigurationProblem> problems) =>
        [.. problems.Select(problem => problem with { Message = redactor.Redact(problem.Message) })];

    /// <summary>Reads every layer once; the database last, because the others say where it is.</summary>
    private async ValueTask<IReadOnlyList<Layer>> ReadLayersAsync(
        IEnumerable<IConfigurationLayer> layers, List<ConfigurationProblem> problems, List<ConfigurationProblem> problemsOfDatabase, CancellationToken cancellationToken)
    {
        List<Layer> read = [];
        DatabaseConfigurationLayer? database = null;
        int place = 0;
        foreach (IConfigurationLayer layer in layers)
        {
            if (layer is DatabaseConfigurationLayer found)
            {
                (database, place) = (found, read.Count);
            }
            else
            {
                read.Add(new Layer(layer.Name, await LoadLayerAsync(layer, problems, cancellationToken)));
            }
        }

        if (database is not null)
        {
            // What is wrong with these sections is reported when all are read.
            string[] names = ["store", "config"];
            SectionReader root = new BindingSession().Root(await ExpandAsync(Only(Merge(read), [.. names, Secrets]), [], cancellationToken));
            Dictionary<string, object> sections = Read(root, names);
            database.Place((StoreOptions)sections["store"], (ConfigOptions)sections["config"]);
            read.Insert(place, new Layer(database.Name, await LoadLayerAsync(database, problemsOfDatabase, cancellationToken)));
        }

        return read;
    }

    private static SettingMap Merge(IEnumerable<Layer> layers) => layers.Aggregate(SettingMap.Empty, static (merged, layer) => SettingTree.Merge(merged, layer.Settings));

    private static SettingMap Only(SettingMap merged, IEnumerable<string> names) =>
        new([.. merged.Entries.Where(entry => names.Contains(entry.Key, SettingKey.Comparer))], merged.Origin);

    private Dictionary<string, object> Read(SectionReader root, IEnumerable<string> names) => BuiltInSections.Create(sources.Catalog)
        .Where(section => names.Contains(section.Name, SettingKey.Comparer)).ToDictionary(section => section.Name, section => section.Read(root), SettingKey.Comparer);

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
        var plain = new ValueExpander(sources.Variables, new Dictionary<string, ISecretStore>(), redactor, problems);
        SettingMap own = merged.Find(Secrets) is SettingMap map ? await plain.ExpandAsync(map, Secrets, cancellationToken) : SettingMap.Empty;

        // Read once more with all other sections, which is when its own problems are reported.
        SecretsOptions options = SectionReader.Bind(own, Secrets, ProcessSections.ReadSecrets, []);
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
        var rest = new SettingMap([.. merged.Entries.Where(entry => !SettingKey.Comparer.Equals(entry.Key, Secrets))], merged.Origin);
        SettingMap expanded = await expander.ExpandAsync(rest, "", cancellationToken);
        return merged.Find(Secrets) is { } node
            ? new SettingMap([.. expanded.Entries, KeyValuePair.Create(Secrets, node is SettingMap ? own : node)], merged.Origin)
            : expanded;
    }
}
