using System.Text.Json;

namespace Postroom;

/// <summary>Optional for a communicator that offers methods of its service beyond sending: listing a chat's members, pinning a message.</summary>
public interface IRemoteCalls
{
    /// <summary>The methods that may be called; no other is ever passed on.</summary>
    IReadOnlyCollection<string> Methods { get; }

    /// <summary>Calls a method. Never called again by itself, whatever becomes of it.</summary>
    /// <param name="method">One of <see cref="Methods"/>.</param>
    /// <param name="arguments">Its arguments, an object; nothing of it is checked yet.</param>
    /// <param name="cancellationToken">The caller's time is over, or it has gone.</param>
    /// <returns>The result.</returns>
    /// <exception cref="ArgumentException">The arguments do not fit; its text says which.</exception>
    /// <exception cref="DeliveryException">The service did not do it.</exception>
    ValueTask<JsonElement> InvokeAsync(string method, JsonElement arguments, CancellationToken cancellationToken);
}

/// <summary>What became of a remote call: a result, or why there is none.</summary>
public sealed record RemoteCallResult
{
    /// <summary>Whether it succeeded.</summary>
    public bool Ok => Error is null;

    /// <summary>The result; null when it failed.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Why it failed; null when it succeeded.</summary>
    public RemoteCallError? Error { get; init; }
}

/// <summary>Why a remote call failed.</summary>
/// <param name="Code"><c>unknown_method</c>, <c>bad_args</c>, <c>adapter_error</c>, <c>timeout</c>, <c>cancelled</c> or <c>unavailable</c>.</param>
/// <param name="Message">What happened, without secrets.</param>
/// <param name="Retryable">Whether the same call may succeed later.</param>
public sealed record RemoteCallError(string Code, string Message, bool Retryable);
