using System.Buffers;
using System.Globalization;

namespace Postroom.Diagnostics;

/// <summary>Writes spans as JSON lines into a file that its owner alone reads; beyond 64 MiB a new one begins, and five are kept.</summary>
/// <remarks>The newest has the name that was given; older ones have 1 to 4 before their extension.</remarks>
internal sealed class FileTransport(string path, long longest = FileTransport.Longest) : BuiltInTransport("file")
{
    /// <summary>How long one file gets, in bytes.</summary>
    public const long Longest = 64L << 20;

    private const int Files = 5;

    private readonly ArrayBufferWriter<byte> _lines = new();
    private FileStream? _file;

    public override async ValueTask ExportAsync(IReadOnlyList<TraceSpan> batch, CancellationToken cancellationToken)
    {
        _lines.ResetWrittenCount();
        foreach (TraceSpan span in batch)
        {
            SpanJson.Write(span, _lines);
        }

        FileStream file = Open(_lines.WrittenCount);
        long whole = file.Length;
        try
        {
            await file.WriteAsync(_lines.WrittenMemory, cancellationToken);
        }
        catch
        {
            // A disk that is full may have taken a part of a line. The file is opened again for the next try, and made anew if it was removed.
            file.SetLength(whole);
            Dispose();
            throw;
        }
    }

    public override void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private FileStream Open(int more)
    {
        if (_file is { } open && open.Length + more > longest && open.Length > 0)
        {
            Dispose();
            Turn();
        }

        if (_file is not null)
        {
            return _file;
        }

        string? folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (folder is not null)
        {
            Directory.CreateDirectory(folder);
        }

        _file = OpenEnd();
        if (_file.Length > 0 && _file.Length + more > longest)
        {
            Dispose();
            Turn();
            _file = OpenEnd();
        }

        return _file;
    }

    private FileStream OpenEnd()
    {
        FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.Read | FileShare.Delete, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        FileStream file = new(path, options);
        file.Seek(0, SeekOrigin.End);
        return file;
    }

    private void Turn()
    {
        for (int i = Files - 1; i > 0; i--)
        {
            string older = Numbered(i - 1);
            if (File.Exists(older))
            {
                File.Move(older, Numbered(i), overwrite: true);
            }
        }
    }

    private string Numbered(int number) =>
        number == 0 ? path : Path.ChangeExtension(path, string.Create(CultureInfo.InvariantCulture, $"{number}{Path.GetExtension(path)}"));
}
