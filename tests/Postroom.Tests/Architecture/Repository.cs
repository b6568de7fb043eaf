namespace Postroom.Tests.Architecture;

/// <summary>Finds the repository this test was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    public static string At(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Postroom.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No Postroom.slnx above '{AppContext.BaseDirectory}'. Run the tests from a build inside the repository.");
    }
}
