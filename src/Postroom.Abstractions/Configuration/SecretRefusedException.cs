namespace Postroom.Configuration;

/// <summary>A secret exists and must not be used. The message says why and what to do, and never the secret.</summary>
/// <param name="message">Why, and what to do.</param>
public sealed class SecretRefusedException(string message) : Exception(message);
