namespace Postroom.Chat;

/// <summary>How WhatsApp is reached (WA-1).</summary>
public enum WhatsAppClientKind
{
    /// <summary>Through a local bridge that holds a paired WhatsApp Web session; written <c>web</c>.</summary>
    Web,

    /// <summary>Through Meta's Cloud API; written <c>business_api</c>.</summary>
    BusinessApi,
}
