namespace Postroom.Host;

/// <summary>Whether the store on Redis can be chosen. It is refused until it keeps every promise while nodes are cut off again and again; tests turn it on.</summary>
internal static class RedisPreview
{
    public static bool IsOn => Environment.GetEnvironmentVariable("POSTROOM_PREVIEW") == "redis";
}
