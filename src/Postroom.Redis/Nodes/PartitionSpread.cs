using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Postroom.Redis;

/// <summary>Which node of those that live has which partition of a queue. Every node comes to the same answer without asking another.</summary>
internal static class PartitionSpread
{
    /// <summary>The nodes that share the partitions of a queue: those that take its messages or, while none does, those that know it.</summary>
    public static string[] Candidates(IEnumerable<LiveNode> nodes, string queue)
    {
        ILookup<int, string> byLevel = nodes.ToLookup(node => node.Record.Queues.GetValueOrDefault(queue), node => node.Name);
        string[] takers = [.. byLevel[2]];
        string[] sharing = takers.Length > 0 ? takers : [.. byLevel[1]];
        Array.Sort(sharing, StringComparer.Ordinal);
        return sharing;
    }

    /// <summary>The node of each partition. Each node has the same number of them, or one more; few move when a node comes or goes.</summary>
    /// <param name="nodes">The nodes that share them.</param>
    /// <param name="queue">The queue; different queues are spread differently.</param>
    /// <param name="partitions">How many.</param>
    public static string?[] Of(IReadOnlyList<string> nodes, string queue, int partitions)
    {
        string?[] owners = new string?[partitions];
        if (nodes.Count == 0)
        {
            return owners;
        }

        // The highest lot wins a partition, unless its node has its share already.
        int share = partitions / nodes.Count;
        int larger = partitions % nodes.Count;
        int[] has = new int[nodes.Count];
        for (int partition = 0; partition < partitions; partition++)
        {
            int winner = -1;
            ulong highest = 0;
            for (int i = 0; i < nodes.Count; i++)
            {
                if ((has[i] < share || (has[i] == share && larger > 0)) && Lot(nodes[i], queue, partition) is var lot && (winner < 0 || lot > highest))
                {
                    (winner, highest) = (i, lot);
                }
            }

            larger -= has[winner] == share ? 1 : 0;
            has[winner]++;
            owners[partition] = nodes[winner];
        }

        return owners;
    }

    private static ulong Lot(string node, string queue, int partition) =>
        BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{node}\n{queue}\n{partition}")));
}
