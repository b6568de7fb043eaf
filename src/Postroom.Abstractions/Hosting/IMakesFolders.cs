namespace Postroom;

/// <summary>
/// Optional for the settings of a module (what <see cref="Configuration.SettingsSection"/> reads) that makes folders at its start, such as samples to begin with:
/// <c>postroom doctor</c> asks no person to make what the start makes.
/// </summary>
/// <remarks>Safe for concurrent use.</remarks>
public interface IMakesFolders
{
    /// <summary>Whether the next start makes a folder that is missing. Looks at files only, and changes nothing.</summary>
    /// <param name="folder">The full path of the folder.</param>
    bool WillMake(string folder);
}

/// <summary>A part that finds its work in a folder which others make.</summary>
internal interface INeedsFolder
{
    /// <summary>The full path of the folder.</summary>
    string Folder { get; }
}
