namespace Postroom.Chat;

/// <summary>One way to reach WhatsApp; lives from a start of its communicator to the stop. Safe for concurrent use.</summary>
internal interface IWhatsAppClient : IAsyncDisposable
{
    /// <summary>What is wrong with the way as far as is known, and what to do; null when nothing is.</summary>
    string? StatusText { get; }

    /// <summary>Asks for what changes nothing, with the credentials of a send.</summary>
    /// <returns>What was found, without secrets.</returns>
    /// <exception cref="DeliveryException">Sends would not work; the text says what to do.</exception>
    ValueTask<string> CheckAsync(CancellationToken cancellationToken);

    /// <summary>Sends a message in one or more parts, going on behind those that earlier attempts delivered.</summary>
    /// <exception cref="DeliveryException">It was not taken; the failure is classified.</exception>
    ValueTask<DeliveryReceipt> SendAsync(PhoneNumber to, OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken);

    /// <summary>Shows a signal; does nothing when the way knows none such.</summary>
    /// <exception cref="DeliveryException">It was not taken.</exception>
    ValueTask SignalAsync(PhoneNumber to, Signal signal, CancellationToken cancellationToken);

    /// <summary>Fetches a file that came in.</summary>
    /// <exception cref="DeliveryException">The service does not give it.</exception>
    ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken);
}
