namespace Postroom;

/// <summary>What became of trying the connection of one communicator or source.</summary>
/// <param name="Part">What was tried: <c>communicator NAME</c> or <c>source NAME</c>.</param>
/// <param name="Good">False when it would not work, and somebody has to do something.</param>
/// <param name="Text">What was found and, unless it is good, what to do; secrets are masked.</param>
public sealed record ConnectionFinding(string Part, bool Good, string Text);
