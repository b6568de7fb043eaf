using System.Globalization;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Mail.Imap;
using Postroom.Tests.Sqlite;

namespace Postroom.Tests.Mail;

/// <summary>A Maildir does what every source does.</summary>
public sealed class MaildirConformanceTests : MessageSourceConformance
{
    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string> _names = [];

    protected override ValueTask BeginAsync()
    {
        foreach (string part in (string[])["new", "cur", "tmp"])
        {
            Directory.CreateDirectory(_folder.File(part));
        }

        return default;
    }

    protected override ValueTask<IMessageSource> CreateAsync() => new(new MaildirSource("spool", new MaildirSourceConfig { Path = _folder.Path, Into = "work" }));

    protected override ValueTask ArriveAsync(string text)
    {
        string name = _names[text] = string.Create(CultureInfo.InvariantCulture, $"{_names.Count:000}.{text}");
        File.WriteAllText(_folder.File($"tmp/{name}"), ImapBench.Letter(text).ReplaceLineEndings("\r\n"));
        File.Move(_folder.File($"tmp/{name}"), _folder.File($"new/{name}"));
        return default;
    }

    protected override string TextOf(SourceMessage message) => message.Headers[HeaderNames.Subject];

    protected override bool IsDone(string text) => File.Exists(_folder.File($"cur/{_names[text]}:2,S"));

    protected override ValueTask EndAsync()
    {
        _folder.Dispose();
        return default;
    }
}
