namespace Postroom;

/// <summary>Optional for communicators and sources that can try their connection without working: <c>postroom doctor</c> asks it of a program that does not run.</summary>
/// <remarks>It may be asked before the start, after the stop and beside work, of one instance or of several at once; what runs is not touched by it. Safe for concurrent use.</remarks>
public interface IConnectionCheck
{
    /// <summary>
    /// Connects, and logs in where a login is needed, in the same way and with the same rules as at work. Sends no message, takes none, marks nothing as read, and leaves
    /// nothing outside: what it opened is closed when it returns.
    /// </summary>
    /// <param name="cancellationToken">Ends the attempt; whoever asks gives it a limit, 30 s unless said otherwise.</param>
    /// <returns>What was found, in a part of a sentence without a full stop and without secrets, such as <c>signed in as @shop_bot</c>.</returns>
    /// <exception cref="Exception">It would not work. The text says what is wrong and what to do, without secrets; its type says nothing further.</exception>
    /// <exception cref="OperationCanceledException">The time was over.</exception>
    ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken);
}
