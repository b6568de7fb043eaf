using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;

namespace Postroom.ControlPlane;

/// <summary>The description of all routes for programs and generators, made from the routes themselves (CP-1).</summary>
/// <remarks>Source: OpenAPI Specification 3.1.1; its schemas are JSON Schema 2020-12.</remarks>
internal static partial class OpenApiDocument
{
    private static readonly (int Status, string When)[] Guarded = [(401, "There is no valid key."), (403, "The key's role is too low, or the request comes from a foreign page."), (429, "Too many wrong keys from this address.")];

    /// <summary>Writes the document.</summary>
    /// <param name="routes">What there is.</param>
    /// <param name="version">The program's version.</param>
    public static byte[] Write(IReadOnlyList<ApiRoute> routes, string version)
    {
        JsonObject paths = [];
        JsonObject schemas = new() { ["Problem"] = SchemaOf(HttpJson.Default.Problem) };
        foreach (ApiRoute route in routes)
        {
            foreach (string path in route.Paths)
            {
                string template = Template(path);
                JsonObject item = paths[template] as JsonObject ?? [];
                paths[template] = item;
                item[route.Method.ToLowerInvariant()] = Operation(route, path, schemas);
            }
        }

        JsonObject document = new()
        {
            ["openapi"] = "3.1.1",
            ["info"] = new JsonObject
            {
                ["title"] = "Postroom",
                ["version"] = version,
                ["description"] = "Reads and operates a runtime. Every request with a role needs a key, on loopback as well: Authorization: Bearer pr_…, or a session of POST /api/v1/session.",
            },
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["schemas"] = schemas,
                ["securitySchemes"] = new JsonObject
                {
                    ["key"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" },
                    ["session"] = new JsonObject { ["type"] = "apiKey", ["in"] = "cookie", ["name"] = SessionCookie.Name },
                },
            },
        };
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            document.WriteTo(writer);
        }

        return bytes.ToArray();
    }

    private static JsonObject Operation(ApiRoute route, string path, JsonObject schemas)
    {
        JsonObject operation = new()
        {
            ["operationId"] = IdOf(route.Method, path),
            ["summary"] = route.Summary,
        };
        JsonArray parameters = [.. ParameterNames(path).Select(JsonNode (name) => Parameter(name, "path", required: true)), .. QueryOf(route).Select(JsonNode (name) => Parameter(name, "query", required: false))];
        if (parameters.Count > 0)
        {
            operation["parameters"] = parameters;
        }

        if (route.Body is { } body)
        {
            operation["requestBody"] = new JsonObject { ["required"] = !route.BodyIsOptional, ["content"] = Json("application/json", Reference(body(), schemas)) };
        }

        JsonObject success = new() { ["description"] = "Done." };
        if (route.Result is { } result)
        {
            success["content"] = Json("application/json", Reference(result(), schemas));
        }
        else if (route.Media is { } media)
        {
            success["content"] = new JsonObject { [media] = new JsonObject() };
        }

        JsonObject answers = new() { [route.Status.ToString(CultureInfo.InvariantCulture)] = success };
        IEnumerable<(int Status, string When)> errors = [(400, "The request is not well formed."), .. route.Role is null ? [] : Guarded, .. route.Errors];
        if (route.Role is not null && ParameterNames(path).Any())
        {
            errors = errors.Append((404, "There is none such."));
        }

        foreach ((int status, string when) in errors)
        {
            answers[status.ToString(CultureInfo.InvariantCulture)] = new JsonObject { ["description"] = when, ["content"] = Json("application/problem+json", new JsonObject { ["$ref"] = "#/components/schemas/Problem" }) };
        }

        operation["responses"] = answers;
        operation["security"] = route.Role is { } role
            ? new JsonArray(new JsonObject { ["key"] = new JsonArray() }, new JsonObject { ["session"] = new JsonArray() })
            : [];
        operation["x-role"] = route.Role?.ToString().ToLowerInvariant();
        return operation;
    }

    private static IEnumerable<string> QueryOf(ApiRoute route) => route.IsList ? [.. route.Query, "limit", "offset", "cursor"] : route.Query;

    private static JsonObject Parameter(string name, string place, bool required) => new()
    {
        ["name"] = name,
        ["in"] = place,
        ["required"] = required,
        ["schema"] = new JsonObject { ["type"] = name is "limit" or "offset" or "cursor" ? "integer" : "string" },
    };

    private static JsonObject Json(string media, JsonNode schema) => new() { [media] = new JsonObject { ["schema"] = schema } };

    private static JsonObject Reference(JsonTypeInfo type, JsonObject schemas)
    {
        string name = NameOf(type.Type);
        schemas[name] ??= SchemaOf(type);
        return new JsonObject { ["$ref"] = $"#/components/schemas/{name}" };
    }

    /// <summary>The schema of a type. References into itself are moved under its name, where the document has it.</summary>
    private static JsonNode SchemaOf(JsonTypeInfo type)
    {
        JsonNode schema = type.GetJsonSchemaAsNode();
        Move(schema, $"#/components/schemas/{NameOf(type.Type)}");
        return schema;
    }

    private static void Move(JsonNode? node, string root)
    {
        switch (node)
        {
            case JsonObject map:
                if (map["$ref"] is JsonValue reference && reference.GetValue<string>() is ['#', .. var rest] && !rest.StartsWith("/components", StringComparison.Ordinal))
                {
                    map["$ref"] = root + rest;
                }

                foreach ((_, JsonNode? value) in map.ToArray())
                {
                    Move(value, root);
                }

                break;
            case JsonArray list:
                foreach (JsonNode? item in list)
                {
                    Move(item, root);
                }

                break;
            default:
                break;
        }
    }

    private static string NameOf(Type type) => type.IsGenericType
        ? string.Concat(type.GetGenericArguments().Select(NameOf)) + type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]
        : type.Name;

    private static string Template(string path) => path.Replace("**", "", StringComparison.Ordinal);

    private static IEnumerable<string> ParameterNames(string path) => Braces().Matches(path).Select(match => match.Groups[1].Value);

    private static string IdOf(string method, string path) =>
        method.ToLowerInvariant() + string.Concat(path.Split('/', '-', '{', '}', '*', '.').Where(word => word.Length > 0).Select(word => char.ToUpperInvariant(word[0]) + word[1..]));

    [GeneratedRegex(@"\{\**([A-Za-z]+)\}", RegexOptions.NonBacktracking)]
    private static partial Regex Braces();
}
