namespace Postroom;

/// <summary>When the store's rows are verified at a start.</summary>
public enum StoreCheck
{
    /// <summary>After an unclean end.</summary>
    AfterCrash,

    /// <summary>At every start.</summary>
    Always,

    /// <summary>Never.</summary>
    Never,
}
