using System.Text.Json;

namespace Postroom.Chat;

/// <summary>What one request to the Cloud API sends, already checked against its limits. Closed.</summary>
internal abstract record CloudPart
{
    private CloudPart()
    {
    }

    /// <summary>A text.</summary>
    public sealed record Text(string Body) : CloudPart;

    /// <summary>A text with buttons, a list or a link button.</summary>
    public sealed record Choice(string Body, Interactive Offered) : CloudPart;

    /// <summary>A template; its components are passed on as they are.</summary>
    public sealed record Template(string Name, string Language, JsonElement? Components) : CloudPart;

    /// <summary>A file that is uploaded first, unless it is a reference to one that the service has.</summary>
    public sealed record Media(Attachment File, CloudMediaType Type, string? Caption) : CloudPart;
}

/// <summary>How the Cloud API takes a file.</summary>
/// <param name="Kind">The message type: <c>image</c>, <c>audio</c>, <c>video</c> or <c>document</c>.</param>
/// <param name="ContentType">The media type it is uploaded as.</param>
/// <param name="MaxBytes">The longest file of this type.</param>
internal sealed record CloudMediaType(string Kind, string ContentType, long MaxBytes)
{
    /// <summary>Whether a text may go under it: under all but audio.</summary>
    public bool TakesCaption => Kind != "audio";
}
