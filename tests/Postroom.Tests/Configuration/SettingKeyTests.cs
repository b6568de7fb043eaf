using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class SettingKeyTests
{
    [Theory]
    [InlineData("fromAddress", "from_address", true)]
    [InlineData("FROM-ADDRESS", "fromaddress", true)]
    [InlineData("from", "form", false)]
    [InlineData("out.a", "outa", false)]
    public void Names_are_compared_without_case_and_dashes(string a, string b, bool equal)
    {
        Assert.Equal(equal, SettingKey.Comparer.Equals(a, b));
        Assert.True(!equal || SettingKey.Comparer.GetHashCode(a) == SettingKey.Comparer.GetHashCode(b));
    }

    [Theory]
    [InlineData("store.path", "store|path")]
    [InlineData("queues.\"out.shop-mail\".lease", "queues|out.shop-mail|lease")]
    [InlineData("modules", "modules")]
    [InlineData("\"a.b\"", "a.b")]
    [InlineData("", null)]
    [InlineData("a.", null)]
    [InlineData(".a", null)]
    [InlineData("a..b", null)]
    [InlineData("\"a", null)]
    [InlineData("\"a\"b", null)]
    public void A_path_is_taken_apart_at_its_dots(string path, string? names)
    {
        Assert.Equal(names, SettingKey.Split(path) is { } split ? string.Join('|', split) : null);
        if (names is not null)
        {
            Assert.Equal(path, names.Split('|').Aggregate("", SettingKey.Join));
        }
    }

    [Theory]
    [InlineData("paralelism", "parallelism")]
    [InlineData("handler_timeout", "handlerTimeout")]
    [InlineData("handlerTimout", "handlerTimeout")]
    [InlineData("queeu", "queue")]
    [InlineData("zzz", null)]
    public void The_nearest_name_is_found(string name, string? nearest) =>
        Assert.Equal(nearest, NearestName.Find(name, ["queue", "parallelism", "handlerTimeout", "cancelGrace"]));
}
