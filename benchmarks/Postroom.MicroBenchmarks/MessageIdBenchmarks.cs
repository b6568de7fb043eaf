using BenchmarkDotNet.Attributes;

namespace Postroom.MicroBenchmarks;

/// <summary>What does an id cost to make, to write and to read?</summary>
public class MessageIdBenchmarks
{
    private readonly MessageId _id = MessageId.New();
    private readonly byte[] _bytes = new byte[16];
    private readonly char[] _chars = new char[36];
    private string _text = "";

    [GlobalSetup]
    public void Setup() => _text = _id.ToString();

    [Benchmark]
    public MessageId New() => MessageId.New();

    [Benchmark]
    public string Text() => _id.ToString();

    [Benchmark]
    public bool Format() => _id.TryFormat(_chars, out _);

    [Benchmark]
    public MessageId Parse() => MessageId.Parse(_text);

    [Benchmark]
    public MessageId Bytes()
    {
        _id.WriteBytes(_bytes);
        return MessageId.FromBytes(_bytes);
    }
}
