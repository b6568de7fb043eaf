namespace Postroom.Configuration;

/// <summary>Reads the settings one type of communicator adds. The first argument has those all communicators have.</summary>
/// <param name="common">The settings all communicators have; derived records copy them.</param>
/// <param name="reader">The settings of the communicator; whatever is not asked for is unknown.</param>
public delegate CommunicatorBackendConfig BackendSchema(CommunicatorBackendConfig common, SectionReader reader);
