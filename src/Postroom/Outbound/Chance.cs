namespace Postroom;

/// <summary>Jitter for the product; tests pass a function of their own.</summary>
internal static class Chance
{
    private static readonly ThreadLocal<Random> Source = new(static () => new Random());

    public static double Next() => Source.Value!.NextDouble();
}
