using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Postroom.Tests.Messages;

public sealed class AttachmentTests
{
    [Theory]
    [InlineData("report.pdf", "report.pdf")]
    [InlineData("../../etc/passwd", "passwd")]
    [InlineData("C:\\Users\\anna\\report.pdf", "report.pdf")]
    [InlineData("/", "unnamed")]
    [InlineData("..", "unnamed")]
    [InlineData("a/..", "unnamed")]
    [InlineData("", "unnamed")]
    [InlineData("  x.txt ", "x.txt")]
    [InlineData("in\r\nvoice\0.pdf", "invoice.pdf")]
    [InlineData("invoice\u202Efdp.exe", "invoicefdp.exe")]
    [InlineData("\u2066x\u2069.txt", "x.txt")]
    public void A_name_is_its_last_segment_without_control_characters_and_overrides(string written, string name)
    {
        Assert.Equal(name, Attachment.FromBytes(written, default).Name);
    }

    [Fact]
    public void A_long_name_is_cut_at_255_bytes_on_a_character_boundary()
    {
        string ascii = Attachment.FromBytes(new string('x', 300), default).Name;
        string wide = Attachment.FromBytes("a" + string.Concat(Enumerable.Repeat("\U0001F600", 300)), default).Name;

        Assert.Equal(255, ascii.Length);
        Assert.Equal(253, Encoding.UTF8.GetByteCount(wide));
        Assert.DoesNotContain('\uFFFD', wide);
    }

    [Fact]
    public void Every_name_is_a_plain_file_name_and_cleaning_it_again_changes_nothing()
    {
        bool IsPlain(string written)
        {
            string name = Attachment.FromBytes(written, default).Name;
            return name is not ("" or "." or "..")
                && !name.Any(c => char.IsControl(c) || c is '/' or '\\')
                && Encoding.UTF8.GetByteCount(name) <= 255
                && Attachment.FromBytes(name, default).Name == name;
        }

        Prop.ForAll((NonNull<string> written) => IsPlain(written.Get)).QuickCheckThrowOnFailure();
        Assert.All(HostileStrings.All(), written => Assert.True(IsPlain(written)));
    }

    [Fact]
    public async Task Opening_verifies_length_and_hash()
    {
        Attachment whole = Attachment.FromBytes("a.txt", "hello"u8.ToArray());
        CancellationToken cancel = TestContext.Current.CancellationToken;

        using Stream stream = await whole.OpenAsync(null, cancel);

        Assert.Equal(5, stream.Length);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await (whole with { Data = "hell"u8.ToArray() }).OpenAsync(null, cancel));
        await Assert.ThrowsAsync<InvalidDataException>(async () => await (whole with { Data = "hellO"u8.ToArray() }).OpenAsync(null, cancel));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await new Attachment { Name = "a", Reference = "r" }.OpenAsync(null, cancel));
        Assert.Throws<ArgumentException>(() => Attachment.FromBytes("a", new byte[Attachment.MaxLength + 1]));
    }
}
