//! Stages while they run: bars in a terminal, a line per change elsewhere.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use model::ExecutionStatus;

use crate::{output, progress::StageLine};

/// Where progress is shown.
#[derive(Debug)]
pub(crate) enum Display {
    /// A line per stage, drawn over and over.
    Bars {
        /// All of them.
        all: MultiProgress,
        /// By stage id.
        bars: BTreeMap<String, ProgressBar>,
    },
    /// A line per change.
    Lines {
        /// What was told last, by stage id.
        told: BTreeMap<String, (ExecutionStatus, String)>,
    },
}

impl Display {
    /// What standard error is good for.
    pub(crate) fn for_people() -> Self {
        if output::can_draw() {
            Self::Bars { all: MultiProgress::new(), bars: BTreeMap::new() }
        } else {
            Self::Lines { told: BTreeMap::new() }
        }
    }

    /// Shows the stages as they are now.
    pub(crate) fn show(&mut self, lines: &[StageLine]) {
        match self {
            Self::Bars { all, bars } => {
                let width = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
                for line in lines {
                    let bar = bars
                        .entry(line.id.clone())
                        .or_insert_with(|| all.add(ProgressBar::no_length()));
                    draw(bar, line, width);
                }
                // A restart takes the parts of stages away, the end of a wait its line.
                bars.retain(|id, bar| {
                    let there = lines.iter().any(|line| line.id == *id);
                    if !there {
                        bar.finish_and_clear();
                        all.remove(bar);
                    }
                    there
                });
            }
            Self::Lines { told } => {
                for line in lines {
                    let now = (line.status, line.remark.clone());
                    let before = told.get(&line.id);
                    let untold = before.is_none()
                        && line.status == ExecutionStatus::NotStarted
                        && line.remark.is_empty();
                    if !untold && before != Some(&now) {
                        output::note(&plain(line));
                    }
                    told.insert(line.id.clone(), now);
                }
            }
        }
    }

    /// Leaves the last picture and stops drawing.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Bars { bars, .. } => {
                for bar in bars.values().filter(|bar| !bar.is_finished()) {
                    bar.abandon();
                }
            }
            Self::Lines { .. } => {}
        }
    }
}

fn plain(line: &StageLine) -> String {
    let text = format!(
        "{:<28} {:<11} {:>7}  {}",
        line.label,
        line.status.as_str(),
        line.elapsed,
        line.remark
    );
    text.trim_end().to_owned()
}

fn draw(bar: &ProgressBar, line: &StageLine, width: usize) {
    if bar.is_finished() {
        if line.status.is_complete() {
            return;
        }
        // The stage was restarted.
        bar.reset();
    }
    bar.set_style(style(line.status));
    bar.set_prefix(format!("{:<width$}", line.label));
    bar.set_message(format!("{:<11} {:>7}  {}", line.status.as_str(), line.elapsed, line.remark));
    if line.status.is_complete() {
        bar.abandon();
    } else if line.status == ExecutionStatus::Running {
        bar.enable_steady_tick(Duration::from_millis(120));
    } else {
        bar.tick();
    }
}

fn style(status: ExecutionStatus) -> ProgressStyle {
    // The templates are constants; a wrong one costs looks, not function, and a test finds it.
    ProgressStyle::with_template(template(status))
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

const fn template(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Succeeded => "{prefix:.bold}  ✔ {wide_msg:.green}",
        ExecutionStatus::Running => "{prefix:.bold}  {spinner:.cyan} {wide_msg:.cyan}",
        ExecutionStatus::Terminal | ExecutionStatus::Stopped => "{prefix:.bold}  ✘ {wide_msg:.red}",
        ExecutionStatus::Canceled | ExecutionStatus::FailedContinue => {
            "{prefix:.bold}  ✘ {wide_msg:.yellow}"
        }
        ExecutionStatus::Paused | ExecutionStatus::Suspended => {
            "{prefix:.bold}  ‖ {wide_msg:.yellow}"
        }
        ExecutionStatus::Skipped => "{prefix:.dim}  » {wide_msg:.dim}",
        ExecutionStatus::NotStarted | ExecutionStatus::Redirect | ExecutionStatus::Buffered => {
            "{prefix:.dim}  · {wide_msg:.dim}"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_understood() {
        for status in ExecutionStatus::ALL {
            assert!(ProgressStyle::with_template(template(status)).is_ok(), "{status}");
        }
    }

    #[test]
    fn a_plain_line_has_no_trailing_blanks() {
        let line = StageLine {
            id: "A".to_owned(),
            label: "Bake".to_owned(),
            status: ExecutionStatus::Running,
            elapsed: String::new(),
            remark: String::new(),
        };
        assert_eq!(plain(&line), format!("{:<28} RUNNING", "Bake"));
    }
}
