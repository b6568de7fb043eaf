namespace Postroom;

/// <summary>What a runtime does of the whole.</summary>
public enum RuntimeRole
{
    /// <summary>Everything; the only role without Redis.</summary>
    All,

    /// <summary>Workers and HTTP, no outbound lanes.</summary>
    Core,

    /// <summary>Outbound lanes, communicators and sources, no workers.</summary>
    Gateway,
}
