namespace Postroom;

/// <summary>Optional for a communicator whose incoming files are references: fetches one when a handler opens it.</summary>
public interface IAttachmentSource
{
    /// <summary>Fetches the bytes of a file that came in through this communicator.</summary>
    /// <param name="attachment">The file, with its <see cref="Attachment.Reference"/>.</param>
    /// <param name="cancellationToken">Ends the fetch.</param>
    /// <exception cref="DeliveryException">The service does not give it.</exception>
    ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken);
}
