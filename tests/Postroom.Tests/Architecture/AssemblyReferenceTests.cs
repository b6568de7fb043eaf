using System.Reflection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Postroom.Tests.Architecture;

/// <summary>The arrows between projects only point one way: an adapter never sees the runtime, an application or another adapter.</summary>
public sealed class AssemblyReferenceTests
{
    [Theory]
    [InlineData("Postroom.Abstractions")]
    [InlineData("Postroom.Storage", "Postroom.Abstractions")]
    [InlineData("Postroom", "Postroom.Abstractions", "Postroom.Storage")]
    [InlineData("Postroom.Sqlite", "Postroom.Abstractions", "Postroom.Storage")]
    [InlineData("Postroom.Redis", "Postroom.Abstractions", "Postroom.Storage")]
    [InlineData("Postroom.Chat", "Postroom.Abstractions")]
    [InlineData("Postroom.Mail", "Postroom.Abstractions")]
    [InlineData("Postroom.ControlPlane", "Postroom.Abstractions")]
    [InlineData("Postroom.Testing", "Postroom", "Postroom.Abstractions", "Postroom.Storage")]
    [InlineData("Postroom.Host", "Postroom", "Postroom.Abstractions", "Postroom.Chat", "Postroom.ControlPlane", "Postroom.Mail", "Postroom.Redis", "Postroom.Sqlite", "Postroom.Storage")]
    [InlineData("MailOrderBot", "Postroom.Abstractions")]
    public void An_assembly_references_only_the_projects_its_place_allows(string assembly, params string[] allowed)
    {
        string[] references = [.. Assembly.Load(assembly).GetReferencedAssemblies()
            .Select(reference => reference.Name!)
            .Where(name => name.StartsWith("Postroom", StringComparison.Ordinal))];

        Assert.Empty(references.Except(allowed));
    }

    [Theory]
    [InlineData("Postroom.Abstractions", "Microsoft.AspNetCore", "Microsoft.Extensions.Hosting", "YamlDotNet")]
    [InlineData("Postroom.Storage", "Microsoft.AspNetCore", "Microsoft.Extensions", "YamlDotNet")]
    [InlineData("Postroom", "Microsoft.AspNetCore")]
    [InlineData("Postroom.Sqlite", "Microsoft.AspNetCore", "YamlDotNet")]
    [InlineData("Postroom.Redis", "Microsoft.AspNetCore", "YamlDotNet")]
    [InlineData("Postroom.Chat", "Microsoft.AspNetCore", "YamlDotNet")]
    [InlineData("Postroom.Mail", "Microsoft.AspNetCore", "YamlDotNet")]
    [InlineData("MailOrderBot", "Microsoft.AspNetCore", "YamlDotNet")]
    public void An_assembly_stays_free_of_what_belongs_elsewhere(string assembly, params string[] forbidden)
    {
        IEnumerable<string> references = Assembly.Load(assembly).GetReferencedAssemblies().Select(reference => reference.Name!);

        Assert.DoesNotContain(references, name => forbidden.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)));
    }

    [Fact]
    public void MB_1_the_domain_of_the_mail_order_bot_knows_neither_queue_nor_mail_nor_database()
    {
        Type[] domain = [.. Assembly.Load("MailOrderBot").GetTypes().Where(type => type.Namespace == "MailOrderBot.Domain")];
        string[] sources = Directory.GetFiles(Repository.At("apps/MailOrderBot/Domain"), "*.cs");

        Assert.True(domain.Length > 10);
        Assert.All(sources, file => Assert.DoesNotContain(
            File.ReadAllLines(file), line => line.StartsWith("using Postroom", StringComparison.Ordinal) || line.Contains("Sqlite", StringComparison.Ordinal) || line.StartsWith("using MailOrderBot", StringComparison.Ordinal)));
    }

    /// <summary>The formatter writes an instant as the culture has it; the text of an ISO 8601 instant is handed over instead.</summary>
    [Theory]
    [InlineData("Postroom")]
    [InlineData("Postroom.Sqlite")]
    [InlineData("Postroom.Chat")]
    [InlineData("Postroom.Mail")]
    [InlineData("Postroom.ControlPlane")]
    [InlineData("Postroom.Host")]
    [InlineData("MailOrderBot")]
    public void No_log_message_takes_an_instant_as_it_is(string assembly)
    {
        const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

        Assert.Empty(Assembly.Load(assembly).GetTypes().SelectMany(type => type.GetMethods(All))
            .Where(method => method.GetCustomAttribute<LoggerMessageAttribute>() is not null)
            .Where(method => method.GetParameters().Any(parameter => (Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType) is var type && (type == typeof(DateTimeOffset) || type == typeof(DateTime))))
            .Select(method => $"{method.DeclaringType}.{method.Name}"));
    }
}
