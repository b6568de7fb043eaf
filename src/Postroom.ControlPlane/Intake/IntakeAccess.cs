using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Postroom.ControlPlane;

/// <summary>Who may post to <c>/webhook</c> and use the web chat (WH-3, EU-7).</summary>
internal sealed class IntakeAccess
{
    /// <summary>The header that carries the token where <c>Authorization</c> is taken.</summary>
    public const string TokenHeader = "X-Postroom-Token";

    /// <summary>What is read at a time of addresses that are over their limit; each holds one body.</summary>
    private readonly OverdrawnPlaces _any = new(8);

    /// <summary>Those that say that their body is small have places of their own, more than one address has connections: a few callers with large bodies do not take them.</summary>
    private readonly OverdrawnPlaces _small = new(128);

    private readonly TimeProvider _clock;
    private volatile Proofs _now;

    /// <summary>Takes the settings of <c>/webhook</c>. Several tokens or secrets are separated by blanks.</summary>
    public IntakeAccess(WebhookIntakeOptions options, TimeProvider clock)
    {
        _clock = clock;
        _now = new Proofs(options, clock);
    }

    /// <summary>Measures the time of bodies.</summary>
    public TimeProvider Clock => _clock;

    /// <summary>Goes by other settings from the next request on; callers begin with full limits.</summary>
    public void Change(WebhookIntakeOptions options) => _now = new Proofs(options, _clock);

    /// <summary>Whether callers have to prove something; otherwise only this machine is answered.</summary>
    public bool NeedsProof => _now.Tokens.Length > 0 || _now.Signature is not null;

    /// <summary>The token that the web chat's address holds; null where nothing has to be proved.</summary>
    public string? ChatToken => NeedsProof ? _now.ChatTokens.Value[0] : null;

    /// <summary>
    /// Charges a request to its address: null, or the seconds to wait. Done before anything of the request is read, so that a stranger cannot make this machine hold body
    /// after body.
    /// </summary>
    public int? Charge(HttpContext context) => _now.PerAddress.Take(KeyGate.AddressOf(context));

    /// <summary>Takes the charge back: the caller has proved that it is no stranger, or was not listened to.</summary>
    public void TakeBackCharge(HttpContext context) => _now.PerAddress.GiveBack(KeyGate.AddressOf(context));

    /// <summary>
    /// Charges a request that is not proved by its headers. Strangers that used up an address do not lock out a service behind the same one: a request with a signature
    /// is read all the same, so many at a time, and its signature decides.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="isProved">Whether its headers prove it; it is not charged then.</param>
    /// <param name="maySign">Whether it has a signature that its body may prove.</param>
    public IntakeCharge Enter(HttpContext context, bool isProved, bool maySign)
    {
        if (isProved)
        {
            return new IntakeCharge(this, context, IsCharged: false, null);
        }

        int? wait = Charge(context);
        OverdrawnPlaces places = context.Request.ContentLength <= OverdrawnPlaces.SmallBody ? _small : _any;
        return new IntakeCharge(this, context, wait is null, wait, wait is not null && maySign && places.TryTake() ? places : null);
    }

    /// <summary>Whether the request may be allowed once its body is known, by a signature of it.</summary>
    public bool MayBeSigned(HttpRequest request) => _now.Signature is not null && request.Headers.ContainsKey(WebhookSignature.TimestampedHeader);

    /// <summary>Whether the request is allowed whatever its body is: a token, or this machine where nothing has to be proved.</summary>
    public bool AllowsUnsigned(HttpContext context) => NeedsProof ? HasToken(context.Request.Headers) : LoopbackOnly.Allows(context);

    /// <summary>Whether the request has the token of the web chat, which posts to the web chat and nowhere else.</summary>
    public bool AllowsChat(HttpRequest request) => NeedsProof && request.Headers[TokenHeader] is { Count: 1 } own && IsChatToken(own[0]);

    /// <summary>What the signature of the body is worth.</summary>
    public SignatureVerdict JudgeSigned(HttpRequest request, ReadOnlySpan<byte> body) => _now.Signature?.Judge(request.Headers, body) ?? SignatureVerdict.Wrong;

    /// <summary>Whether a page or stream is allowed: as a post, or with a token in its address, since a page cannot set headers there.</summary>
    public bool AllowsPage(HttpContext context) =>
        AllowsUnsigned(context) || (context.Request.Query["token"] is { Count: 1 } token && (IsToken(token[0]) || IsChatToken(token[0])));

    private bool HasToken(IHeaderDictionary headers)
    {
        const string Scheme = "Bearer ";
        StringValues authorization = headers.Authorization;
        StringValues own = headers[TokenHeader];
        return (authorization.Count == 1 && authorization[0]!.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) && IsToken(authorization[0]![Scheme.Length..]))
            || (own.Count == 1 && IsToken(own[0]));
    }

    private bool IsChatToken(string? given)
    {
        // A guess of another length costs no derivation.
        return given is { Length: 43 } && NeedsProof && Array.Exists(_now.ChatTokens.Value, token => FixedTime.Equal(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(token)));
    }

    private bool IsToken(string? given)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(given ?? "");
        bool any = false;
        foreach (byte[] token in _now.Tokens)
        {
            any |= FixedTime.EqualHash(bytes, token);
        }

        return any;
    }

    /// <summary>What holds from one change of the settings to the next.</summary>
    private sealed class Proofs(WebhookIntakeOptions options, TimeProvider clock)
    {
        /// <summary>The SHA-256 of each token.</summary>
        public byte[][] Tokens { get; } = [.. TextsOf(options.Token).Select(token => SHA256.HashData(Encoding.UTF8.GetBytes(token)))];

        public Lazy<string[]> ChatTokens { get; } = new(() => [.. TextsOf(options.Token).Concat(TextsOf(options.Secret)).Select(ControlPlane.ChatToken.Of)]);

        public WebhookSignature? Signature { get; } = TextsOf(options.Secret) is { Length: > 0 } secrets
            ? new WebhookSignature(SignatureScheme.Timestamped, WebhookSignature.TimestampedHeader, secrets, clock)
            : null;

        public CallerRateLimiter PerAddress { get; } = new(options.PerAddress.Count, options.PerAddress.Period, clock);

        private static string[] TextsOf(Secret? secret) => secret?.RevealAll() ?? [];
    }
}

/// <summary>What a request to be proved owes its address. Disposed of at the end of the request.</summary>
/// <param name="Access">Where it is charged.</param>
/// <param name="Context">The request.</param>
/// <param name="IsCharged">Whether it was.</param>
/// <param name="Wait">The seconds to wait, when its address is over the limit; null otherwise.</param>
/// <param name="Place">Where it has a place, when it is read although its address is over the limit; null otherwise.</param>
internal sealed record IntakeCharge(IntakeAccess Access, HttpContext Context, bool IsCharged, int? Wait, OverdrawnPlaces? Place = null) : IDisposable
{
    /// <summary>How long the body of a request may take that has one of the few places: a few callers who drip would have them all otherwise.</summary>
    private static readonly TimeSpan BodyTime = TimeSpan.FromSeconds(5);

    /// <summary>Reads the body.</summary>
    /// <param name="most">The most bytes.</param>
    public async ValueTask<RequestBody> ReadBodyAsync(long most)
    {
        if (Place is null)
        {
            return await RequestBody.ReadAsync(Context.Request, most, Context.RequestAborted);
        }

        using CancellationTokenSource time = new(BodyTime, Access.Clock);
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Context.RequestAborted, time.Token);
        try
        {
            return await RequestBody.ReadAsync(Context.Request, most, limit.Token);
        }
        catch (OperationCanceledException) when (!Context.RequestAborted.IsCancellationRequested)
        {
            return new RequestBody.Refused(StatusCodes.Status408RequestTimeout, ProblemCode.Timeout, $"the body took longer than {Duration.Format(BodyTime)}, which is what it has from an address that is over its limit");
        }
    }

    /// <summary>Whether nothing of it is read.</summary>
    public bool IsRefused => Wait is not null && Place is null;

    /// <summary>Takes the charge back, if there was one.</summary>
    public void TakeBack()
    {
        if (IsCharged)
        {
            Access.TakeBackCharge(Context);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Place?.Leave();
}

/// <summary>How many signed requests are read at a time of addresses that are over their limit. Safe for concurrent use.</summary>
/// <param name="most">How many.</param>
internal sealed class OverdrawnPlaces(int most)
{
    /// <summary>The most bytes of a body that is small: 64 KiB.</summary>
    public const int SmallBody = 64 * 1024;

    private int _taken;

    /// <summary>Takes a place, if one is free.</summary>
    public bool TryTake()
    {
        if (Interlocked.Increment(ref _taken) <= most)
        {
            return true;
        }

        Leave();
        return false;
    }

    /// <summary>Gives a place back.</summary>
    public void Leave() => Interlocked.Decrement(ref _taken);
}
