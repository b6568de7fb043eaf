using System.Runtime.InteropServices;
using System.Text;

namespace Postroom.Host;

/// <summary>The standard output as the log needs it: a closed pipe is an error. The platform's own console takes what is written to one and says nothing, so nobody could count it.</summary>
/// <remarks>Used by one thread at a time.</remarks>
internal sealed partial class StandardOutput : Stream
{
    private const int Descriptor = 1;
    private const int Interrupted = 4; // EINTR
    private const int NotNow = 11; // EAGAIN on Linux: somebody made the descriptor non-blocking

    private StandardOutput()
    {
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>A writer over it; elsewhere than on Linux the console's.</summary>
    public static TextWriter Open() => OperatingSystem.IsLinux() ? new StreamWriter(new StandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 32 * 1024) : Console.Out;

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            nint written = Write(Descriptor, buffer, buffer.Length);
            if (written >= 0)
            {
                buffer = buffer[(int)written..];
                continue;
            }

            int error = Marshal.GetLastPInvokeError();
            if (error == NotNow)
            {
                using Stream console = Console.OpenStandardOutput(); // it waits until there is room; closing it leaves the descriptor open
                console.Write(buffer);
                return;
            }

            if (error != Interrupted)
            {
                throw new IOException($"The standard output cannot be written: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Write(int descriptor, ReadOnlySpan<byte> bytes, nint length);
}
