using System.Globalization;
using System.Text;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Sqlite;

namespace Postroom.Tests.Mail;

/// <summary>A folder does what every source does.</summary>
public sealed class DropFolderConformanceTests : MessageSourceConformance
{
    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string> _names = [];

    private string Drop => _folder.File("drop");

    protected override ValueTask BeginAsync()
    {
        Directory.CreateDirectory(Drop);
        return default;
    }

    protected override ValueTask<IMessageSource> CreateAsync() => new(new DropFolderSource("uploads", new DropFolderSourceConfig { Path = Drop, Into = "work", Settle = TimeSpan.Zero }));

    protected override ValueTask ArriveAsync(string text)
    {
        string name = _names[text] = string.Create(CultureInfo.InvariantCulture, $"{_names.Count:000}.txt");
        File.WriteAllText(_folder.File(name), text);
        File.Move(_folder.File(name), Path.Combine(Drop, name));
        return default;
    }

    protected override string TextOf(SourceMessage message) => Encoding.UTF8.GetString(message.Attachments[0].Data!.Value.Span);

    protected override bool IsDone(string text) => File.Exists(Path.Combine(Drop, "done", _names[text]));

    protected override ValueTask EndAsync()
    {
        _folder.Dispose();
        return default;
    }
}
