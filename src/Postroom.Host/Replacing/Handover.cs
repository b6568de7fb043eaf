using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Win32.SafeHandles;
using Postroom.ControlPlane;
using Postroom.Hosting;

namespace Postroom.Host;

/// <summary>What one generation gives the next (SPEC RS-10): in the variable <see cref="Variable"/>, with the descriptors that it names left open.</summary>
internal sealed record Handover
{
    /// <summary>The environment variable.</summary>
    public const string Variable = "POSTROOM_HANDOVER";

    /// <summary>The process that wrote it; another one than this process or its parent wrote it for somebody else.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The generation that begins with it.</summary>
    public required int Generation { get; init; }

    /// <summary>The listening sockets, each with the address it was asked for.</summary>
    public IReadOnlyList<HandedSocket> Sockets { get; init; } = [];

    /// <summary>The descriptor that holds the store's ownership; null where it has to be waited for.</summary>
    public int? Ownership { get; init; }

    /// <summary>Where a child says that it is ready; null for one that took its parent's place.</summary>
    public string? ReadyPipe { get; init; }

    /// <summary>Where generations that end too soon are counted.</summary>
    public string? TrialFile { get; init; }

    /// <summary>What is known of the restart.</summary>
    public required RestartStatistics Statistics { get; init; }

    /// <summary>When restarts were asked for within the window.</summary>
    public IReadOnlyList<DateTimeOffset> Recent { get; init; } = [];

    /// <summary>Reads and removes what a former generation left; null for a start.</summary>
    public static Handover? Receive()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } text)
        {
            return null;
        }

        Environment.SetEnvironmentVariable(Variable, null); // not for the processes this one starts
        try
        {
            Handover? handover = JsonSerializer.Deserialize(text, HandoverJson.Default.Handover);
            if (handover is null || (handover.ReadyPipe is null && handover.ProcessId != Environment.ProcessId))
            {
                return null; // inherited by a process it was not meant for
            }

            foreach (int descriptor in handover.Descriptors())
            {
                UnixProcess.CloseOnExec(descriptor, close: true);
            }

            return handover;
        }
        catch (JsonException)
        {
            return null; // somebody set it by hand
        }
    }

    /// <summary>Gives the sockets to the listener.</summary>
    public void GiveTo(ListenSockets sockets)
    {
        foreach (HandedSocket socket in Sockets)
        {
            sockets.Inherit(socket.Address, socket.Descriptor);
        }
    }

    /// <summary>How the runtime came to be.</summary>
    public RestartOrigin ToOrigin() => new()
    {
        Generation = Generation,
        Statistics = Statistics,
        Recent = Recent,
        Ownership = Ownership is { } descriptor ? new SafeFileHandle(descriptor, ownsHandle: true) : null,
    };

    /// <summary>As the variable's value.</summary>
    public string ToText() => JsonSerializer.Serialize(this, HandoverJson.Default.Handover);

    /// <summary>The descriptors that have to stay open.</summary>
    public IEnumerable<int> Descriptors() => Sockets.Select(static socket => socket.Descriptor).Concat(Ownership is { } one ? [one] : []);
}

/// <summary>A listening socket.</summary>
/// <param name="Address">The address it was asked for.</param>
/// <param name="Descriptor">Its descriptor.</param>
internal sealed record HandedSocket(string Address, int Descriptor);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Handover))]
internal sealed partial class HandoverJson : JsonSerializerContext;
