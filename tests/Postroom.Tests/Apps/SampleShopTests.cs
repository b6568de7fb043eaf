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
}
