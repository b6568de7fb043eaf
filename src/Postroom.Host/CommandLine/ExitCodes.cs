namespace Postroom.Host;

/// <summary>What the program's exit code says.</summary>
internal static class ExitCodes
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Configuration = 3;
    public const int Store = 4;
    public const int WorkAbandoned = 5;
    public const int NotReachable = 6;
    public const int StartAgain = 75;
    public const int Interrupted = 130;
}
