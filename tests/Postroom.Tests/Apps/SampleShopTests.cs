using MailOrderBot.Services;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>The shop that a first start finds.</summary>
public sealed class SampleShopTests
{
    [Fact]
    public void A_folder_that_the_letters_made_before_is_filled_and_what_is_there_stays()
    {
        using TempFolder data = new();
        string shop = data.File("shop");
        Directory.CreateDirectory(Path.Combine(shop, "outbox"));
        File.WriteAllText(Path.Combine(shop, "outbox", "letter.eml"), "kept");

        SampleShop.Furnish(shop);
        File.Delete(Path.Combine(shop, "catalogue.csv"));
        SampleShop.Furnish(shop);

        Assert.Equal(2, Directory.GetFiles(Path.Combine(shop, "inbox"), "*.eml").Length);
        Assert.Single(Directory.GetFiles(Path.Combine(shop, "maildir", "new")));
        Assert.Equal("kept", File.ReadAllText(Path.Combine(shop, "outbox", "letter.eml")));
        Assert.False(File.Exists(Path.Combine(shop, "catalogue.csv")));
        Assert.False(Directory.Exists($"{shop}.making"));
    }

    [Theory]
    [InlineData("inbox")]
    [InlineData("inbox", "maildir")]
    [InlineData("inbox", "outbox", "maildir/new", "maildir/cur", "maildir/tmp")]
    public void Folders_that_somebody_made_as_doctor_says_are_filled_too(params string[] made)
    {
        using TempFolder data = new();
        string shop = data.File("shop");
        foreach (string folder in made)
        {
            Directory.CreateDirectory(Path.Combine(shop, folder));
        }

        SampleShop.Furnish(shop);

        Assert.Equal(2, Directory.GetFiles(Path.Combine(shop, "inbox"), "*.eml").Length);
        Assert.Single(Directory.GetFiles(Path.Combine(shop, "maildir", "new")));
        Assert.All((string[])["outbox", "maildir/cur", "maildir/tmp"], folder => Assert.True(Directory.Exists(Path.Combine(shop, folder))));
        Assert.True(File.Exists(Path.Combine(shop, "catalogue.csv")));
        Assert.False(Directory.Exists($"{shop}.making"));
    }

    [Fact]
    public void Folders_that_were_worked_with_before_samples_had_a_mark_get_no_orders_again_and_what_is_missing_beside_them()
    {
        using TempFolder data = new();
        string shop = data.File("shop");
        Directory.CreateDirectory(Path.Combine(shop, "inbox", "done"));

        SampleShop.Furnish(shop);

        Assert.Empty(Directory.GetFiles(Path.Combine(shop, "inbox")));
        Assert.True(File.Exists(Path.Combine(shop, "catalogue.csv")));
    }
}
