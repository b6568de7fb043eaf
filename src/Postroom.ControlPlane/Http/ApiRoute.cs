using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>One thing that HTTP offers: mapped, guarded and described from here (CP-1, CP-10).</summary>
/// <param name="Method">GET, POST, PUT or DELETE.</param>
/// <param name="Path">The absolute path, with parameters in braces; one that takes the rest of a path begins with <c>**</c>.</param>
/// <param name="Role">Whom it is for; null where something else than a key decides.</param>
/// <param name="Summary">What it is for, one sentence.</param>
/// <param name="Handle">Answers it.</param>
internal sealed record ApiRoute(string Method, string Path, ApiRole? Role, string Summary, RequestDelegate Handle)
{
    /// <summary>Other paths to the same.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>The query parameters; lists have <c>limit</c>, <c>offset</c> and <c>cursor</c> as well.</summary>
    public IReadOnlyList<string> Query { get; init; } = [];

    /// <summary>Whether it answers a page of a list (CP-8).</summary>
    public bool IsList { get; init; }

    /// <summary>How the request's body is read, asked for when the document is made: making what JSON needs to know of all types would take a tenth of a start. Null without a body.</summary>
    public Func<JsonTypeInfo>? Body { get; init; }

    /// <summary>Whether the body may be left out.</summary>
    public bool BodyIsOptional { get; init; }

    /// <summary>How a success is written, asked for as <see cref="Body"/> is; null for no JSON.</summary>
    public Func<JsonTypeInfo>? Result { get; init; }

    /// <summary>The status of a success.</summary>
    public int Status { get; init; } = StatusCodes.Status200OK;

    /// <summary>The media type of a success without <see cref="Result"/>; null for no content.</summary>
    public string? Media { get; init; }

    /// <summary>Errors it answers beyond the usual 400, 401, 403, 404, each with when.</summary>
    public IReadOnlyList<(int Status, string When)> Errors { get; init; } = [];

    /// <summary>Whether it is one of the control plane or the dashboard, which answer on <c>server.adminUrls</c> only where these are set (CF-10): those with a role, unless set otherwise.</summary>
    public bool IsOfControlPlane
    {
        get => field || Role is not null;
        init;
    }

    /// <summary>Whether it answers before the store is open.</summary>
    public bool IsEarly { get; init; }

    /// <summary>The path and its aliases.</summary>
    public IEnumerable<string> Paths => Aliases.Prepend(Path);
}
