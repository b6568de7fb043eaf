namespace Postroom.Outbound;

/// <summary>Opens the files of messages that came in: those that are here, and those that their service keeps until somebody asks (EN-6, WA-10).</summary>
internal sealed class IncomingFiles(RoutingTable routes, TimeProvider clock)
{
    /// <summary>How long a service may take; a handler's own limit ends it sooner.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <summary>Opens a file for reading; length and hash are verified.</summary>
    /// <param name="message">The message it came with.</param>
    /// <param name="attachment">The file.</param>
    /// <param name="cancellationToken">Ends the fetch.</param>
    /// <exception cref="AddressException">The communicator that it came by is gone, or fetches no files.</exception>
    /// <exception cref="DeliveryException">The service does not give it now, or not any more.</exception>
    /// <exception cref="InvalidDataException">It is not the file that the message says, or too long.</exception>
    public ValueTask<Stream> OpenAsync(Envelope message, Attachment attachment, CancellationToken cancellationToken) =>
        attachment.OpenAsync((file, token) => FetchAsync(message, file, token), cancellationToken);

    private async ValueTask<ReadOnlyMemory<byte>> FetchAsync(Envelope message, Attachment file, CancellationToken cancellationToken)
    {
        string of = $"File '{file.Name}' of message {message.Id}";
        if (file.Reference is not { Length: > 0 })
        {
            throw new InvalidDataException($"{of} has neither bytes nor a reference. The journal keeps no bytes when retention.keepBody is false.");
        }

        if (file.Length > Attachment.MaxLength)
        {
            throw TooLong(of, file.Length.Value);
        }

        string? name = message.From is { Kind: AddressKind.Recipient } from ? from.Scheme : message.Header(HeaderNames.Channel);
        if (name is null || routes.Find(name)?.Communicator is not { } communicator)
        {
            throw new AddressException($"{of} is kept by the service of communicator '{name ?? "(none)"}', which is not part of this runtime now. Configure communications.backends.{name ?? "NAME"} again, and try the message again.");
        }

        if (communicator is not IAttachmentSource source)
        {
            throw new AddressException($"{of} came by communicator '{name}', which fetches no files ({communicator.GetType().Name} is no IAttachmentSource).");
        }

        if (!communicator.IsStarted)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"{of} cannot be fetched now: communicator '{name}' has not started. It is started again by itself; try the message again.");
        }

        using CancellationTokenSource time = new(Longest, clock);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, time.Token);
        try
        {
            ReadOnlyMemory<byte> bytes = await source.FetchAsync(file, either.Token).AsTask().WaitAsync(either.Token);
            return bytes.Length <= Attachment.MaxLength ? bytes : throw TooLong(of, bytes.Length);
        }
        catch (OperationCanceledException) when (time.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(), $"{of} did not come from '{name}' within {Duration.Format(Longest)}.");
        }
    }

    private static InvalidDataException TooLong(string of, long length) => new($"{of} has {length} bytes; at most {Attachment.MaxLength} are taken. Ask the sender for a smaller one.");
}
