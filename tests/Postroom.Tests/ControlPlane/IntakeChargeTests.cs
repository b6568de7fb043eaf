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

        Task<RequestBody>[] bodies = [.. dripping.Select(static charge => charge.ReadBodyAsync(200_000).AsTask())];
        clock.Advance(TimeSpan.FromSeconds(4));
        bool all = Array.TrueForAll(bodies, static body => !body.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(1));
        RequestBody[] read = await Task.WhenAll(bodies).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Array.ForEach(dripping, static charge => charge.Dispose());
        using IntakeCharge later = access.Enter(Dripping(), isProved: false, maySign: true);

        Assert.Equal((true, true, false), (ninth.IsRefused, all, later.IsRefused));
        Assert.All(read, static body => Assert.Equal(StatusCodes.Status408RequestTimeout, Assert.IsType<RequestBody.Refused>(body).Status));
    }

    [Fact]
    public void Wh2_large_bodies_that_drip_from_an_address_over_its_limit_keep_no_small_one_out()
    {
        IntakeAccess access = new(new WebhookIntakeOptions { PerAddress = Rate.Parse("1/h") }, new ManualClock());
        access.Enter(Dripping(), isProved: false, maySign: true).Dispose(); // uses the address up
        IntakeCharge[] large = [.. Enumerable.Range(0, 9).Select(_ => access.Enter(Dripping(), isProved: false, maySign: true))];
        IntakeCharge[] small = [.. Enumerable.Range(0, 129).Select(_ => access.Enter(Dripping(64 * 1024), isProved: false, maySign: true))];
        using IntakeCharge unsigned = access.Enter(Dripping(100), isProved: false, maySign: false);

        Assert.Equal((8, 128, true), (large.Count(static charge => !charge.IsRefused), small.Count(static charge => !charge.IsRefused), unsigned.IsRefused));
        Array.ForEach([.. large, .. small], static charge => charge.Dispose());
    }

    /// <summary>A request whose body has begun and does not end.</summary>
    private static DefaultHttpContext Dripping(long length = 100_000)
    {
        Pipe pipe = new();
        pipe.Writer.Write("{"u8);
        _ = pipe.Writer.FlushAsync(TestContext.Current.CancellationToken);
        DefaultHttpContext context = new();
        context.Request.Body = pipe.Reader.AsStream();
        context.Request.ContentLength = length;
        context.Request.ContentType = "application/json";
        return context;
    }
}
