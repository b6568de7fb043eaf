namespace Postroom;

/// <summary>Where settings of the database layer are. Bound from <c>config</c>; every change needs a restart.</summary>
public sealed record ConfigOptions
{
    /// <summary>Another SQLite file whose table <c>settings</c> is read. Null, the default, is the store's own settings.</summary>
    public string? Database { get; set; }

    /// <summary>How often it is read again when others can write it. At least 1 second; 10 seconds unless set.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(10);
}
