namespace Postroom.Workers;

/// <summary>What a pool is made of.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Options">How it runs; its queue is filled.</param>
/// <param name="Runner">What does the work.</param>
/// <param name="LeaseTime">How long a lease lasts unless renewed, where leases expire.</param>
internal sealed record WorkerDefinition(string Name, WorkerOptions Options, IMessageRunner Runner, TimeSpan LeaseTime);
