namespace Postroom;

/// <summary>The body of <see cref="PayloadTypes.FileReceived"/>: a file that was put into a folder. Its bytes are the message's first attachment.</summary>
/// <param name="Name">The file's name, without control characters.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="ModifiedAt">When it was written last.</param>
/// <param name="Sha256">The SHA-256 of its bytes in lower-case hex.</param>
public sealed record ReceivedFile(string Name, long Length, DateTimeOffset ModifiedAt, string Sha256);
