//! Tags this room writes on what it makes, and reads to know its own work again.

/// Marks everything we made; policies allow changes only to what carries it.
pub const MANAGED_BY: &str = "managed-by";
/// Value of [`MANAGED_BY`].
pub const BOWLINE: &str = "bowline";
/// The task (one attempt) that made it: whoever repeats the attempt joins what carries its id.
pub const TASK: &str = "bowline:task";
/// The execution that made it.
pub const EXECUTION: &str = "bowline:execution";
/// The pipeline that made it, for people.
pub const PIPELINE: &str = "bowline:pipeline";
/// Fence of the cluster's lock when it was made.
pub const FENCE: &str = "bowline:fence";
/// On a group that is destroyed if its deploy fails: whether it has begun to take over from older ones.
///
/// Written when it is made, as [`NOT_YET`], and again before the first older group is touched, as [`YES`].
pub const TAKES_OVER: &str = "bowline:takes-over";
/// Value of [`TAKES_OVER`]: no older group was touched for it.
pub const NOT_YET: &str = "not-yet";
/// Value of [`TAKES_OVER`].
pub const YES: &str = "yes";
/// On an old group that is going to be scaled down: by whom. Removing it stops that.
pub const DOOMED: &str = "bowline:doomed";

/// Longest tag value AWS takes, in characters.
const VALUE_MAX: usize = 255;

/// Text as a tag value: what AWS does not take in one is replaced by `_`.
pub(crate) fn value(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "+-=._:/@".contains(c);
    text.chars().take(VALUE_MAX).map(|c| if allowed(c) { c } else { '_' }).collect()
}
