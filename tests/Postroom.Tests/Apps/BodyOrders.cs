using MailOrderBot.Domain;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>Reads orders of bodies as the tests give them.</summary>
internal static class BodyOrders
{
    public static OrderRequest Read(string text) => BodyOrderReader.Read(text, cancellationToken: TestContext.Current.CancellationToken);
}
