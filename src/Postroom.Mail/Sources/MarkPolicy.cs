namespace Postroom.Mail;

/// <summary>When the origin of a mail is told that it was read (SPEC SR-8).</summary>
public enum MarkPolicy
{
    /// <summary>Once its work has ended: read when it was acknowledged, failed when it was given up.</summary>
    AfterAck,

    /// <summary>Once it is stored.</summary>
    AfterAccept,

    /// <summary>Never.</summary>
    Never,
}
