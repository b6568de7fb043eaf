using System.Security.Cryptography;

namespace Postroom.Configuration;

/// <summary>Settings of a YAML or JSON file.</summary>
/// <remarks>
/// A file named explicitly must exist. One that was there and is gone, is empty now, or changes while it is read is a problem, not an empty
/// layer: it was most likely written only in part.
/// </remarks>
/// <param name="name">The layer's name, such as <see cref="LayerNames.PlatformFile"/>.</param>
/// <param name="path">The file; errors show it as given.</param>
/// <param name="mustExist">Whether the user named it; otherwise its absence means no settings.</param>
/// <param name="time">The clock of the watch.</param>
public sealed class FileConfigurationLayer(string name, string path, bool mustExist, TimeProvider time) : IConfigurationLayer
{
    private static readonly TimeSpan ScanInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongInterval = TimeSpan.FromMinutes(5);
    private bool _wasThere; // written by LoadAsync, which does not overlap
    private bool _hadSettings;
    private byte[]? _first; // what the file held at the first load
    private bool _wasLooked;

    /// <summary>The file.</summary>
    public string Path { get; } = path;

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <summary>Whether a load has found the file.</summary>
    internal bool WasRead => _wasThere;

    /// <inheritdoc/>
    public async ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken)
    {
        if (!_wasLooked)
        {
            (_wasLooked, _first) = (true, await FingerprintAsync(cancellationToken));
        }

        byte[] bytes;
        if (!mustExist && !_wasThere && !System.IO.Path.Exists(Path))
        {
            return new SettingMap([], new SettingOrigin(Name, Path)); // The usual case is no exception.
        }

        try
        {
            await using var file = new FileStream(Path, new FileStreamOptions { Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.Asynchronous });
            long length = file.Length;
            if (length > SettingText.MaxBytes)
            {
                throw Refuse($"'{Path}' has {length} bytes; a settings file has at most 4 MiB. Move what is not a setting elsewhere.");
            }

            bytes = new byte[length];
            int read = await file.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
            if (read != length || file.Length != length)
            {
                throw Refuse($"'{Path}' changed while it was read. Write it elsewhere and move it into place.");
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            if (mustExist || _wasThere)
            {
                throw Refuse(_wasThere ? $"'{Path}' was there at the last load and is gone. Put it back, or restart without it." : $"'{Path}' does not exist. It was named explicitly; correct the name or create it.");
            }

            return new SettingMap([], new SettingOrigin(Name, Path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Refuse($"'{Path}' cannot be read: {e.Message}");
        }

        bool isEmpty = bytes.AsSpan().Trim(" \t\r\n"u8).IsEmpty;
        if (_hadSettings && isEmpty)
        {
            throw Refuse($"'{Path}' had settings at the last load and is empty now. It may have been written only in part; write it elsewhere and move it into place.");
        }

        SettingMap map = SettingText.Parse(bytes, Name, Path);
        _wasThere = true;
        _hadSettings = !isEmpty;
        return map;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// It is told by the system, so that an idle program sleeps, and looks every five minutes in case it was not, as on file systems that are shared over a network; once a
    /// second where the system cannot tell.
    /// </remarks>
    public async Task WatchAsync(Action changed, CancellationToken cancellationToken)
    {
        using FileNews news = new(Path);
        try
        {
            byte[]? seen = _wasLooked ? _first : await FingerprintAsync(cancellationToken); // what changed between the first load and now is a change as well
            while (true)
            {
                byte[]? now = await FingerprintAsync(cancellationToken);
                if (!now.AsSpan().SequenceEqual(seen))
                {
                    seen = now;
                    changed();
                    news.Renew(); // a link may lead elsewhere by now
                }

                await news.WaitAsync(news.IsTold ? LongInterval : ScanInterval, time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Being cancelled is how a watch ends.
        }
    }

    /// <summary>A hash of what the file holds; null without one that can be read.</summary>
    /// <remarks>Not its time and length: a file system's clock stands still for some milliseconds, and two edits within them would look alike.</remarks>
    private async Task<byte[]?> FingerprintAsync(CancellationToken cancellationToken)
    {
        if (!System.IO.Path.Exists(Path))
        {
            return null; // The usual case is no exception.
        }

        try
        {
            await using var file = new FileStream(Path, new FileStreamOptions { Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.Asynchronous });
            return file.Length > SettingText.MaxBytes ? BitConverter.GetBytes(file.Length) : await SHA256.HashDataAsync(file, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    private ConfigurationException Refuse(string message) => SettingText.Refuse(Name, Path, 0, 0, message);
}
