using Postroom.Configuration;

namespace Postroom.Mail;

/// <summary>Checks that the settings of sources of files have in common.</summary>
internal static class FileSourceChecks
{
    public static string ReadPath(SectionReader reader, string hint)
    {
        string path = reader.RequireText("path", hint).Trim();
        if (path.Any(char.IsControl))
        {
            reader.AddError("path", $"{reader.Path}.path holds a control character, which no folder here has in its name. {hint}");
        }

        return path.Length > 0 ? path : ".";
    }

    public static void CheckReplyVia(SourceConfig common, SectionReader reader)
    {
        if (common.ReplyVia is { } via && !Names.IsCommunicatorName(via))
        {
            reader.AddError("replyVia", $"{reader.Path}.replyVia is '{Names.Shorten(via)}', which no communicator can be named. {Names.CommunicatorRule}");
        }
    }
}
