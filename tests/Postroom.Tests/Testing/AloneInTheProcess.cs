using Xunit;

namespace Postroom.Tests.Testing;

/// <summary>Tests that change, or measure, what the whole process has: no others run beside them.</summary>
[CollectionDefinition(nameof(AloneInTheProcess), DisableParallelization = true)]
public sealed class AloneInTheProcess;
