using System.Text.Json;
using System.Text.RegularExpressions;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>
/// CP-1: the document is one of OpenAPI 3.1. The rules are those of the schema of the specification (https://spec.openapis.org/oas/3.1/schema/2022-10-07) for the parts that the
/// document uses; what it does not use is refused, so that a new part needs a rule here.
/// </summary>
public sealed partial class OpenApiTests
{
    private static readonly string[] Types = ["null", "boolean", "object", "array", "number", "string", "integer"];

    private readonly List<string> _problems = [];
    private JsonElement _document;

    [Fact]
    public async Task Cp1_the_document_follows_the_schema_of_openapi_3_1()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Check((await http.GetAsync("/api/v1/openapi.json", await http.KeyAsync(ApiRole.Viewer))).Json);

        Assert.True(_problems.Count == 0, string.Join("\n", _problems));
    }

    [Theory]
    [InlineData("""{"openapi":"3.0.1","info":{"title":"a","version":"1"},"paths":{}}""", "#/openapi")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a"},"paths":{}}""", "#/info")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{"a":{}}}""", "#/paths/a")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{"/a/{id}":{"get":{"responses":{"200":{"description":""}}}}}}""", "{id}")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{"/a":{"get":{"responses":{"20":{"description":""}}}}}}""", "/responses/20")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{"/a":{"get":{"responses":{"200":{}}}}}}""", "description")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{},"components":{"schemas":{"A":{"type":"text"}}}}""", "#/components/schemas/A/type")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{},"components":{"schemas":{"A":{"$ref":"#/components/schemas/B"}}}}""", "B")]
    [InlineData("""{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{"/a":{"get":{"responses":{"200":{"description":""}},"security":[{"key":[]}]}}}}""", "security")]
    public void The_check_finds_what_is_wrong(string document, string place)
    {
        Check(JsonDocument.Parse(document).RootElement);

        Assert.Contains(place, Assert.Single(_problems), StringComparison.Ordinal);
    }

    private void Check(JsonElement document)
    {
        _document = document;
        Map("#", document, ["openapi", "info", "paths"], ["components"]);
        Require("#/openapi", VersionText().IsMatch(document.GetProperty("openapi").GetString()!), "is no version 3.1");
        Map("#/info", document.GetProperty("info"), ["title", "version"], ["description", "summary"]);
        HashSet<string> templates = new(StringComparer.Ordinal);
        HashSet<string> ids = new(StringComparer.Ordinal);
        foreach (JsonProperty path in document.GetProperty("paths").EnumerateObject())
        {
            string place = $"#/paths/{path.Name}";
            Require(place, path.Name.StartsWith('/'), "does not begin with /");
            Require(place, templates.Add(Braces().Replace(path.Name, "{}")), "is there twice but for the names of its parameters");
            Map(place, path.Value, [], ["get", "put", "post", "delete", "patch", "head", "options", "trace"]);
            foreach (JsonProperty method in path.Value.EnumerateObject())
            {
                Operation($"{place}/{method.Name}", path.Name, method.Value, ids);
            }
        }

        if (document.TryGetProperty("components", out JsonElement components))
        {
            Map("#/components", components, [], ["schemas", "securitySchemes"]);
            foreach (JsonProperty part in components.EnumerateObject().SelectMany(static kind => kind.Value.EnumerateObject()))
            {
                Require($"#/components/{part.Name}", ComponentName().IsMatch(part.Name), "is no name of a component");
            }

            foreach (JsonProperty schema in Members(components, "schemas"))
            {
                Schema($"#/components/schemas/{schema.Name}", schema.Value);
            }

            foreach (JsonProperty scheme in Members(components, "securitySchemes"))
            {
                bool known = scheme.Value.GetProperty("type").GetString() switch
                {
                    "http" => scheme.Value.TryGetProperty("scheme", out _),
                    "apiKey" => scheme.Value.TryGetProperty("name", out _) && scheme.Value.GetProperty("in").GetString() is "query" or "header" or "cookie",
                    _ => false,
                };
                Require($"#/components/securitySchemes/{scheme.Name}", known, "is no scheme");
            }
        }
    }

    private void Operation(string place, string path, JsonElement operation, HashSet<string> ids)
    {
        Map(place, operation, ["responses"], ["tags", "summary", "description", "operationId", "parameters", "requestBody", "deprecated", "security"]);
        Require(place, !operation.TryGetProperty("operationId", out JsonElement id) || ids.Add(id.GetString()!), "has the id of another operation");
        HashSet<(string, string)> named = [];
        foreach (JsonElement parameter in Items(operation, "parameters"))
        {
            Map($"{place}/parameters", parameter, ["name", "in", "schema"], ["required", "description", "deprecated"]);
            (string name, string where) = (parameter.GetProperty("name").GetString()!, parameter.GetProperty("in").GetString()!);
            Require($"{place}/parameters/{name}", where is "path" or "query" or "header" or "cookie", $"is in '{where}'");
            Require($"{place}/parameters/{name}", named.Add((name, where)), "is there twice");
            Require($"{place}/parameters/{name}", where != "path" || (parameter.TryGetProperty("required", out JsonElement required) && required.GetBoolean()), "is of the path and not required");
            Schema($"{place}/parameters/{name}/schema", parameter.GetProperty("schema"));
        }

        foreach (string name in Braces().Matches(path).Select(static match => match.Groups[1].Value))
        {
            Require(place, named.Contains((name, "path")), $"has no parameter {{{name}}}");
        }

        if (operation.TryGetProperty("requestBody", out JsonElement body))
        {
            Map($"{place}/requestBody", body, ["content"], ["required", "description"]);
            Content($"{place}/requestBody", body);
        }

        Require($"{place}/responses", operation.GetProperty("responses").EnumerateObject().Any(), "is empty");
        foreach (JsonProperty answer in operation.GetProperty("responses").EnumerateObject())
        {
            Require($"{place}/responses/{answer.Name}", StatusText().IsMatch(answer.Name), "is no status");
            Map($"{place}/responses/{answer.Name}", answer.Value, ["description"], ["headers", "content"]);
            Content($"{place}/responses/{answer.Name}", answer.Value);
        }

        foreach (JsonProperty scheme in Items(operation, "security").SelectMany(static choice => choice.EnumerateObject()))
        {
            Require($"{place}/security", _document.TryGetProperty("components", out JsonElement components) && Members(components, "securitySchemes").Any(known => known.Name == scheme.Name), $"has no scheme {scheme.Name}");
        }
    }

    private void Content(string place, JsonElement holder)
    {
        foreach (JsonProperty media in Members(holder, "content"))
        {
            Require($"{place}/content/{media.Name}", MediaText().IsMatch(media.Name), "is no media type");
            Map($"{place}/content/{media.Name}", media.Value, [], ["schema", "example"]);
            if (media.Value.TryGetProperty("schema", out JsonElement schema))
            {
                Schema($"{place}/content/{media.Name}/schema", schema);
            }
        }
    }

    /// <summary>A schema of JSON Schema 2020-12, which may be true or false as well.</summary>
    private void Schema(string place, JsonElement schema)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return;
        }

        Map(place, schema, [], ["$ref", "$comment", "type", "properties", "required", "items", "additionalProperties", "enum", "anyOf", "oneOf", "allOf", "pattern", "format", "default", "description", "contentEncoding", "minimum", "maximum", "const", "not"]);
        foreach (JsonElement type in schema.TryGetProperty("type", out JsonElement types) ? types.ValueKind == JsonValueKind.Array ? [.. types.EnumerateArray()] : [types] : Array.Empty<JsonElement>())
        {
            Require($"{place}/type", Types.Contains(type.GetString()), $"is '{type}'");
        }

        Require($"{place}/$ref", !schema.TryGetProperty("$ref", out JsonElement reference) || Leads(reference.GetString()!), $"leads nowhere: {(schema.TryGetProperty("$ref", out reference) ? reference : default)}");
        JsonElement[] required = [.. Items(schema, "required")];
        Require($"{place}/required", required.All(static one => one.ValueKind == JsonValueKind.String) && required.Select(static one => one.GetString()).Distinct().Count() == required.Length, "has something that is no text, or is there twice");
        foreach (JsonProperty property in Members(schema, "properties"))
        {
            Schema($"{place}/properties/{property.Name}", property.Value);
        }

        foreach (string one in (string[])["items", "additionalProperties", "not"])
        {
            if (schema.TryGetProperty(one, out JsonElement inner))
            {
                Schema($"{place}/{one}", inner);
            }
        }

        foreach (string several in (string[])["anyOf", "oneOf", "allOf"])
        {
            foreach (JsonElement inner in Items(schema, several))
            {
                Schema($"{place}/{several}", inner);
            }
        }
    }

    private bool Leads(string reference)
    {
        JsonElement place = _document;
        foreach (string step in reference.Split('/').Skip(1).Select(static step => step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)))
        {
            if (place.ValueKind == JsonValueKind.Array ? !int.TryParse(step, out int index) || index >= place.GetArrayLength() : !place.TryGetProperty(step, out _))
            {
                return false;
            }

            place = place.ValueKind == JsonValueKind.Array ? place[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)] : place.GetProperty(step);
        }

        return reference.StartsWith("#/", StringComparison.Ordinal);
    }

    /// <summary>A map with the keys it needs and no others than may be, but for extensions.</summary>
    private void Map(string place, JsonElement map, string[] needed, string[] allowed)
    {
        if (map.ValueKind != JsonValueKind.Object)
        {
            _problems.Add($"{place} is no object");
            return;
        }

        foreach (string name in needed)
        {
            Require(place, map.TryGetProperty(name, out _), $"has no {name}");
        }

        foreach (JsonProperty one in map.EnumerateObject())
        {
            Require($"{place}/{one.Name}", needed.Contains(one.Name) || allowed.Contains(one.Name) || one.Name.StartsWith("x-", StringComparison.Ordinal), "has no rule");
        }
    }

    private void Require(string place, bool holds, string otherwise)
    {
        if (!holds)
        {
            _problems.Add($"{place} {otherwise}");
        }
    }

    private static IEnumerable<JsonProperty> Members(JsonElement map, string name) => map.TryGetProperty(name, out JsonElement inner) ? inner.EnumerateObject() : Enumerable.Empty<JsonProperty>();

    private static IEnumerable<JsonElement> Items(JsonElement map, string name) => map.TryGetProperty(name, out JsonElement inner) ? inner.EnumerateArray() : Enumerable.Empty<JsonElement>();

    [GeneratedRegex(@"^3\.1\.\d+(-.+)?$")]
    private static partial Regex VersionText();

    [GeneratedRegex(@"^(default|[1-5](?:\d\d|XX))$")]
    private static partial Regex StatusText();

    [GeneratedRegex(@"^[a-z*]+/[a-z0-9.+*-]+$")]
    private static partial Regex MediaText();

    [GeneratedRegex("^[A-Za-z0-9._-]+$")]
    private static partial Regex ComponentName();

    [GeneratedRegex(@"\{([A-Za-z]+)\}")]
    private static partial Regex Braces();
}
