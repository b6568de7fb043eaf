using System.Reflection;
using System.Text;
using Xunit;

namespace Postroom.Tests.Architecture;

/// <summary>The public surface is a text file that is read in review. A change shows here first.</summary>
/// <remarks>To accept a change, run the tests with <c>POSTROOM_ACCEPT_SURFACE=1</c> and commit the text files.</remarks>
public sealed class PublicSurfaceTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    [Theory]
    [InlineData("Postroom.Abstractions")]
    [InlineData("Postroom")]
    [InlineData("Postroom.Sqlite")]
    [InlineData("Postroom.Chat")]
    [InlineData("Postroom.Mail")]
    [InlineData("Postroom.ControlPlane")]
    [InlineData("Postroom.Testing")]
    [InlineData("Postroom.Host")]
    [InlineData("MailOrderBot")]
    public void The_public_surface_is_the_one_in_its_text_file(string assembly)
    {
        string path = Repository.At("tests", "Postroom.Tests", "Architecture", "PublicSurface", $"{assembly}.txt");
        string actual = Print(Assembly.Load(assembly));
        if (Environment.GetEnvironmentVariable("POSTROOM_ACCEPT_SURFACE") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, actual);
        }

        string expected = File.Exists(path) ? File.ReadAllText(path) : "";
        string[] added = [.. Members(actual).Except(Members(expected))];
        string[] removed = [.. Members(expected).Except(Members(actual))];
        Assert.True(
            added.Length == 0 && removed.Length == 0,
            $"The public surface of {assembly} has changed. Added:\n  {string.Join("\n  ", added)}\nRemoved:\n  {string.Join("\n  ", removed)}\nIf that is meant, accept it with POSTROOM_ACCEPT_SURFACE=1.");
    }

    /// <summary>Each line with its type: a member of one type may read like one of another.</summary>
    private static IEnumerable<string> Members(string surface)
    {
        string type = "";
        foreach (string line in surface.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            type = line.StartsWith(' ') ? type : line;
            yield return line.StartsWith(' ') ? $"{type}: {line.Trim()}" : line;
        }
    }

    private static string Print(Assembly assembly)
    {
        StringBuilder text = new();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(Kind(type)).Append(' ').Append(Name(type)).Append('\n');
            foreach (string member in type.GetMembers(Declared).Where(IsVisible).Select(Describe).Where(line => line.Length > 0).Distinct().Order(StringComparer.Ordinal))
            {
                text.Append("  ").Append(member).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Kind(Type type)
    {
        return type.IsEnum ? "enum"
            : type.IsInterface ? "interface"
            : type.IsSubclassOf(typeof(Delegate)) ? "delegate"
            : type.IsValueType ? "struct"
            : type is { IsAbstract: true, IsSealed: true } ? "static class"
            : type.IsAbstract ? "abstract class"
            : type.IsSealed ? "sealed class" : "class";
    }

    private static bool IsVisible(MemberInfo member)
    {
        return member switch
        {
            MethodBase method => (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly) && !method.Name.StartsWith('<') && !(method.IsSpecialName && method is MethodInfo),
            PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisibleAccessor),
            FieldInfo field => field.IsPublic && !field.IsSpecialName,
            EventInfo => true,
            _ => false,
        };
    }

    private static bool IsVisibleAccessor(MethodInfo accessor) => accessor.IsPublic || accessor.IsFamily || accessor.IsFamilyOrAssembly;

    private static string Describe(MemberInfo member)
    {
        return member switch
        {
            ConstructorInfo constructor => $".ctor({Parameters(constructor)})",
            MethodInfo method => $"{(method.IsStatic ? "static " : "")}{Name(method.ReturnType)} {method.Name}({Parameters(method)})",
            PropertyInfo property => $"{(property.GetAccessors(true)[0].IsStatic ? "static " : "")}{Name(property.PropertyType)} {property.Name} {{ {Accessors(property)}}}",
            FieldInfo { IsLiteral: true } field => $"const {Name(field.FieldType)} {field.Name} = {field.GetRawConstantValue()}",
            FieldInfo field => $"{(field.IsStatic ? "static " : "")}{Name(field.FieldType)} {field.Name}",
            EventInfo @event => $"event {Name(@event.EventHandlerType!)} {@event.Name}",
            _ => "",
        };
    }

    private static string Accessors(PropertyInfo property)
    {
        string get = property.GetMethod is { } getter && IsVisibleAccessor(getter) ? "get; " : "";
        string set = property.SetMethod is { } setter && IsVisibleAccessor(setter)
            ? setter.ReturnParameter.GetRequiredCustomModifiers().Length > 0 ? "init; " : "set; "
            : "";
        return get + set;
    }

    private static string Parameters(MethodBase method)
    {
        return string.Join(", ", method.GetParameters().Select(parameter => $"{Name(parameter.ParameterType)} {parameter.Name}{(parameter.IsOptional ? " = …" : "")}"));
    }

    private static string Name(Type type)
    {
        if (type.IsGenericParameter)
        {
            return type.Name;
        }

        if (type.IsByRef || type.IsArray)
        {
            return $"{Name(type.GetElementType()!)}{(type.IsArray ? "[]" : "&")}";
        }

        string name = type.IsNested ? $"{Name(type.DeclaringType!)}.{type.Name}" : type.Namespace?.StartsWith("Postroom", StringComparison.Ordinal) == true ? type.FullName ?? type.Name : type.Name;
        return type.IsGenericType
            ? $"{name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
            : name;
    }
}
