using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>The JSON form of the messages that the runtime itself stores: camelCase, nulls left out, unknown properties ignored.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    AllowDuplicateProperties = false,
    NumberHandling = JsonNumberHandling.Strict,
    MaxDepth = 32)]
[JsonSerializable(typeof(IncomingMessage))]
[JsonSerializable(typeof(OutgoingMessage))]
[JsonSerializable(typeof(DeliveryReceipt))]
[JsonSerializable(typeof(AuditRecord))]
[JsonSerializable(typeof(Signal))]
[JsonSerializable(typeof(MailMessage))]
[JsonSerializable(typeof(MarkRequest))]
[JsonSerializable(typeof(ScheduleOccurrence))]
[JsonSerializable(typeof(ScheduleDue))]
[JsonSerializable(typeof(ReceivedFile))]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(string[]))]
public sealed partial class PostroomJson : JsonSerializerContext;
