namespace Postroom.Sqlite;

/// <summary>Another process owns the store file.</summary>
internal sealed class StoreInUseException(string storePath, int? ownerId) : Exception(
    $"Store '{storePath}' is in use by {(ownerId is { } id ? $"process {id}" : "another process")}. "
    + "One runtime owns a store file; stop the other or set store.path.")
{
    /// <summary>The store file.</summary>
    public string StorePath { get; } = storePath;

    /// <summary>The owner's process id; null when the lock file does not say.</summary>
    public int? OwnerId { get; } = ownerId;
}
