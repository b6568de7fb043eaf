using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>What one post of the Cloud API says (WA-9): messages, later receipts, and what could not be read, each on its own.</summary>
internal sealed class CloudUpdate
{
    /// <summary>The longest element that is taken, in bytes: what WhatsApp writes is far shorter.</summary>
    private const int MaxElement = 256 * 1024;

    private const int MaxElements = 10_000;
    private const int MaxRaw = 16 * 1024;

    private readonly string _phoneNumberId;
    private readonly CloudMessageReader _reader;

    private CloudUpdate(string phoneNumberId, CloudMessageReader reader)
    {
        _phoneNumberId = phoneNumberId;
        _reader = reader;
    }

    /// <summary>Messages in their order; those that could not be read say so.</summary>
    public List<IncomingMessage> Messages { get; } = [];

    /// <summary>Later receipts in their order.</summary>
    public List<LateReceipt> Receipts { get; } = [];

    /// <summary>What callbacks give back of a send, with what they say.</summary>
    public List<(string Key, DeliveryReceipt Receipt)> Callbacks { get; } = [];

    /// <summary>The latest message of each contact.</summary>
    public Dictionary<PhoneNumber, LastMessage> Contacts { get; } = [];

    /// <summary>How many changes were for another number of the same app.</summary>
    public int Foreign { get; private set; }

    /// <summary>How many elements could not be read.</summary>
    public int Invalid { get; private set; }

    /// <summary>Reads a post.</summary>
    /// <param name="body">The body, whose signature is right.</param>
    /// <param name="phoneNumberId">Whose messages are taken.</param>
    /// <param name="reader">Reads one element.</param>
    /// <exception cref="JsonException">The body is no JSON.</exception>
    /// <exception cref="MessageFormatException">The body is not a post of WhatsApp's at all.</exception>
    public static CloudUpdate Read(ReadOnlyMemory<byte> body, string phoneNumberId, CloudMessageReader reader)
    {
        CloudUpdate update = new(phoneNumberId, reader);
        JsonElement root = JsonElement.Parse(body.Span, new JsonDocumentOptions { MaxDepth = 64 });
        if (JsonText.Child(root, "entry") is not { ValueKind: JsonValueKind.Array } entries)
        {
            throw new MessageFormatException("entry", "The body has no list 'entry', as posts of WhatsApp have.");
        }

        foreach (JsonElement entry in entries.EnumerateArray())
        {
            if (JsonText.Child(entry, "changes") is { ValueKind: JsonValueKind.Array } changes)
            {
                foreach (JsonElement change in changes.EnumerateArray())
                {
                    update.ReadChange(change);
                }
            }
            else
            {
                update.AddInvalid(entry, new MessageFormatException("changes", "An entry has no list 'changes'."));
            }
        }

        return update;
    }

    private void ReadChange(JsonElement change)
    {
        if (JsonText.Text(JsonText.Child(change, "field")) is not { } field)
        {
            AddInvalid(change, new MessageFormatException("field", "A change has no text 'field'."));
            return;
        }

        if (field != "messages")
        {
            return; // the account, templates and the like: subscribed to by mistake, and no message
        }

        if (JsonText.Child(change, "value") is not { ValueKind: JsonValueKind.Object } value)
        {
            AddInvalid(change, new MessageFormatException("value", "A change of field 'messages' has no object 'value'."));
            return;
        }

        if (JsonText.Text(JsonText.Child(JsonText.Child(value, "metadata"), "phone_number_id")) is { } number && number != _phoneNumberId)
        {
            Foreign++;
            return;
        }

        Dictionary<string, string> names = CloudMessageReader.NamesOf(JsonText.Child(value, "contacts"));
        foreach (JsonElement message in Elements(value, "messages"))
        {
            Try(message, () => Add(_reader.Read(message, names)));
        }

        foreach (JsonElement status in Elements(value, "statuses"))
        {
            Try(status, () => AddStatus(status));
        }
    }

    private JsonElement.ArrayEnumerator Elements(JsonElement value, string name)
    {
        switch (JsonText.Child(value, name))
        {
            case null:
                return default;
            case { ValueKind: JsonValueKind.Array } list:
                return list.EnumerateArray();
            default:
                AddInvalid(value, new MessageFormatException(name, $"'{name}' is no list."));
                return default;
        }
    }

    private void Try(JsonElement element, Action read)
    {
        int length = JsonMarshal.GetRawUtf8Value(element).Length;
        if (Messages.Count + Receipts.Count >= MaxElements)
        {
            throw new MessageFormatException("entry", $"The post has more than {MaxElements} messages and statuses.");
        }

        try
        {
            if (length > MaxElement)
            {
                throw new MessageFormatException("", $"The element has {length} bytes; at most {MaxElement} are taken.");
            }

            read();
        }
        catch (MessageFormatException e)
        {
            AddInvalid(element, e);
        }
    }

    private void Add(CloudMessage message)
    {
        Messages.Add(message.Incoming);
        if (!Contacts.TryGetValue(message.From, out LastMessage? known) || known.At <= message.Last.At)
        {
            Contacts[message.From] = message.Last;
        }
    }

    private void AddStatus(JsonElement status)
    {
        if (CloudStatusReader.Read(status) is { } read)
        {
            Receipts.Add(read.Receipt);
            if (read.Key is { } key)
            {
                Callbacks.Add((key, read.Receipt.Receipt));
            }
        }
    }

    private void AddInvalid(JsonElement element, MessageFormatException problem)
    {
        Invalid++;
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(element);
        Messages.Add(new IncomingMessage
        {
            Text = "",
            Invalid = $"WhatsApp sent an element that cannot be read: {problem.Message}",
            // The bytes name it, so that a repeat of the post is a repeat of it.
            ChannelMessageId = $"invalid/{Convert.ToHexStringLower(SHA256.HashData(raw))}",
            Metadata = new Dictionary<string, JsonElement>
            {
                ["type"] = JsonText.Element("chat.invalid"),
                ["raw"] = JsonText.Element(System.Text.Encoding.UTF8.GetString(raw[..Math.Min(raw.Length, MaxRaw)])),
            },
        });
    }
}
