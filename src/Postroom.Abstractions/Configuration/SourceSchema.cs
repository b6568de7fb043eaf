namespace Postroom.Configuration;

/// <summary>Reads the settings one type of source adds. The first argument has those all sources have.</summary>
/// <param name="common">The settings all sources have; derived records copy them.</param>
/// <param name="reader">The settings of the source; whatever is not asked for is unknown.</param>
public delegate SourceConfig SourceSchema(SourceConfig common, SectionReader reader);
