using Postroom.Redis;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>URLs of servers (RD-8), and what refusals mean (RD-9).</summary>
public sealed class RedisAddressTests
{
    [Theory]
    [InlineData("redis://localhost", "localhost:6379", null, null, 0, false)]
    [InlineData("redis://h:7000/3", "h:7000", null, null, 3, false)]
    [InlineData("REDISS://h", "h:6379", null, null, 0, true)]
    [InlineData("redis://:pw@h", "h:6379", null, "pw", 0, false)]
    [InlineData("redis://me:p%40s%2Fs%3A%25@h:1/15", "h:1", "me", "p@s/s:%", 15, false)]
    [InlineData("redis://m%3Ae:a:b@h", "h:6379", "m:e", "a:b", 0, false)]
    [InlineData("redis://[::1]:7000/1", "[::1]:7000", null, null, 1, false)]
    [InlineData("redis://me:pw@[fe80::1%25eth0]", "[fe80::1%eth0]:6379", "me", "pw", 0, false)]
    [InlineData("redis://h?db=4&user=u&password=p%20w", "h:6379", "u", "p w", 4, false)]
    [InlineData("redis://", "localhost:6379", null, null, 0, false)]
    [InlineData("unix:///run/my%20redis/s.sock?db=2", "/run/my redis/s.sock", null, null, 2, false)]
    [InlineData("unix://me:pw@/run/s.sock", "/run/s.sock", "me", "pw", 0, false)]
    public void RD_8_an_address_is_read_from_its_url(string url, string shown, string? user, string? password, int database, bool tls)
    {
        RedisAddress address = RedisAddress.Parse(url);

        Assert.Equal(shown, address.ToString());
        Assert.Equal(user, address.User);
        Assert.Equal(password, address.Password?.Reveal());
        Assert.Equal(database, address.Database);
        Assert.Equal(tls, address.Tls);
        Assert.Equal(url.StartsWith("unix", StringComparison.Ordinal), address.IsSocket);
    }

    [Theory]
    [InlineData("http://h", "redis://")]
    [InlineData("h:6379", "redis://")]
    [InlineData("redis://s3cret@::1", "brackets")]
    [InlineData("redis://[::1", "closing")]
    [InlineData("redis://[::1]7", "colon")]
    [InlineData("redis://u:s3cret@h:x", "port")]
    [InlineData("redis://u:s3cret@h:70000", "port")]
    [InlineData("redis://u:s3cret@h/x", "database")]
    [InlineData("redis://u:s3cret@h?tls=1", "tls")]
    [InlineData("unix://h", "slashes")]
    [InlineData("unix://", "slashes")]
    public void RD_8_what_is_no_address_is_said_without_the_password(string url, string problem)
    {
        string message = Assert.Throws<FormatException>(() => RedisAddress.Parse(url)).Message;

        Assert.Contains(problem, message);
        Assert.DoesNotContain("s3cret", message);
    }

    [Theory]
    [InlineData("LOADING Redis is loading the dataset in memory", RedisFault.NotNow)]
    [InlineData("READONLY You can't write against a read only replica.", RedisFault.NotNow)]
    [InlineData("MASTERDOWN Link with MASTER is down", RedisFault.NotNow)]
    [InlineData("TRYAGAIN Multiple keys request during rehashing of slot", RedisFault.NotNow)]
    [InlineData("ERR max number of clients reached", RedisFault.NotNow)]
    [InlineData("OOM command not allowed when used memory > 'maxmemory'.", RedisFault.NoRoom)]
    [InlineData("MISCONF Errors writing to the AOF file: No space left on device", RedisFault.NoRoom)]
    [InlineData("NOREPLICAS Not enough good replicas to write.", RedisFault.NoRoom)]
    [InlineData("NOAUTH Authentication required.", RedisFault.Configuration)]
    [InlineData("WRONGPASS invalid username-password pair or user is disabled.", RedisFault.Configuration)]
    [InlineData("NOPERM this user has no permissions to run the 'xadd' command", RedisFault.Configuration)]
    [InlineData("ERR DB index is out of range", RedisFault.Configuration)]
    [InlineData("NOSCRIPT No matching script.", RedisFault.NoScript)]
    [InlineData("NOGROUP No such key", RedisFault.NoGroup)]
    [InlineData("BUSYGROUP Consumer Group name already exists", RedisFault.GroupExists)]
    [InlineData("WRONGTYPE Operation against a key holding the wrong kind of value", RedisFault.Command)]
    [InlineData("ERR", RedisFault.Command)]
    public void RD_9_a_refusal_is_classified(string text, object fault)
    {
        RedisException refusal = RedisException.For("h:1", "XADD", RespBytes.Read($"-{text}\r\n"));

        Assert.Equal(fault, refusal.Fault);
        Assert.Contains("h:1 refused XADD", refusal.Message);
    }

    [Fact]
    public void RD_9_a_refusal_cannot_forge_a_line_of_a_log()
    {
        RedisException refusal = RedisException.For("h:1", "XADD", RespBytes.Read("!12\r\nERR a\r\nlog b\r\n"));

        Assert.DoesNotContain(refusal.Message, char.IsControl);
    }
}
