namespace Postroom.Configuration;

/// <summary>One section of the configuration: its name, the type its settings become, and the code that reads them.</summary>
/// <remarks>An application registers its own; settings outside every section are errors.</remarks>
public sealed class SettingsSection
{
    private SettingsSection(string name, Type type, Func<SectionReader, object> read)
    {
        Name = name;
        Type = type;
        Read = read;
    }

    /// <summary>The name at the root, such as <c>queues</c> or <c>mailOrder</c>.</summary>
    public string Name { get; }

    /// <summary>What a snapshot gives for it.</summary>
    public Type Type { get; }

    /// <summary>Whether every change of it needs a restart.</summary>
    public bool NeedsRestart { get; private init; }

    /// <summary>Reads it; the argument is the reader of the root.</summary>
    internal Func<SectionReader, object> Read { get; }

    /// <summary>Describes a section that is a map of settings.</summary>
    /// <typeparam name="T">What its settings become: a record of options.</typeparam>
    /// <param name="name">The name at the root.</param>
    /// <param name="read">Reads every setting it knows, also when the section is absent, and reports what is wrong through the reader.</param>
    public static SettingsSection Create<T>(string name, Func<SectionReader, T> read)
        where T : class => new(name, typeof(T), root => read(root.ReadSection(name)));

    /// <summary>The same section, every change of which needs a restart.</summary>
    public SettingsSection AtRestart() => new(Name, Type, Read) { NeedsRestart = true };

    /// <summary>Describes a section that is one list or value, read from the root.</summary>
    /// <typeparam name="T">What it becomes.</typeparam>
    /// <param name="name">The name at the root.</param>
    /// <param name="read">Reads the setting of that name.</param>
    internal static SettingsSection CreateAtRoot<T>(string name, Func<SectionReader, T> read)
        where T : class => new(name, typeof(T), read);
}
