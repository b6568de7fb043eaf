using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Postroom.ControlPlane;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>WH-2: what a request owes an address that strangers have used up.</summary>
public sealed class IntakeChargeTests
{
    [Fact]
    public async Task Wh2_a_signed_body_that_drips_from_an_address_over_its_limit_has_five_seconds_and_then_its_place_is_free()
    {
        ManualClock clock = new();
        IntakeAccess access = new(new WebhookIntakeOptions { PerAddress = Rate.Parse("1/h") }, clock);
        access.Enter(Dripping(), isProved: false, maySign: true).Dispose(); // uses the address up
        IntakeCharge[] dripping = [.. Enumerable.Range(0, 8).Select(_ => access.Enter(Dripping(), isProved: false, maySign: true))];
        using IntakeCharge ninth = access.Enter(Dripping(), isProved: false, maySign: true);

        Task<RequestBody>[] bodies = [.. dripping.Select(static charge => charge.ReadBodyAsync(1_000).AsTask())];
        clock.Advance(TimeSpan.FromSeconds(4));
        bool all = Array.TrueForAll(bodies, static body => !body.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(1));
        RequestBody[] read = await Task.WhenAll(bodies).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Array.ForEach(dripping, static charge => charge.Dispose());
        using IntakeCharge later = access.Enter(Dripping(), isProved: false, maySign: true);

        Assert.Equal((true, true, false), (ninth.IsRefused, all, later.IsRefused));
        Assert.All(read, static body => Assert.Equal(StatusCodes.Status408RequestTimeout, Assert.IsType<RequestBody.Refused>(body).Status));
    }

    /// <summary>A request whose body has begun and does not end.</summary>
    private static DefaultHttpContext Dripping()
    {
        Pipe pipe = new();
        pipe.Writer.Write("{"u8);
        _ = pipe.Writer.FlushAsync(TestContext.Current.CancellationToken);
        DefaultHttpContext context = new();
        context.Request.Body = pipe.Reader.AsStream();
        context.Request.ContentLength = 500;
        context.Request.ContentType = "application/json";
        return context;
    }
}
