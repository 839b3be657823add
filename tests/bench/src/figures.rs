//! How figures are shown: one line each, with a ratio to something measured in the same run.

use std::{fmt::Display, time::Duration};

use crate::Mode;

pub(crate) fn title(mode: &Mode) {
    say(&format_args!("\n{}", mode.name));
}

pub(crate) fn heading(text: &str) {
    say(&format_args!("\n{text}"));
}

/// So many per second; `limit` is the raw limit it is a part of, with its name.
pub(crate) fn rate(what: &str, per_second: f64, limit: Option<(f64, &str)>) {
    match limit {
        Some((limit, name)) if limit > 0.0 => {
            let part = per_second / limit * 100.0;
            say(&format_args!("  {what:<58} {per_second:>10.0}/s   {part:.0} % of {name}"));
        }
        Some(_) | None => say(&format_args!("  {what:<58} {per_second:>10.0}/s")),
    }
}

pub(crate) fn times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len().saturating_sub(1)) * percent / 100;
        times.get(place).copied().unwrap_or_default().as_secs_f64() * 1_000.0
    };
    let (half, most) = (at(50), at(99));
    say(&format_args!("  {what:<58} p50 {half:.1} ms   p99 {most:.1} ms"));
}

pub(crate) fn plain(what: &str, value: &str) {
    say(&format_args!("  {what:<58} {value}"));
}

#[expect(clippy::print_stdout, reason = "figures are this program's output")]
fn say(text: &dyn Display) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a failed run says why, where its output does not go")]
pub(crate) fn complain(text: &dyn Display) {
    eprintln!("bowline-bench: {text}");
}
