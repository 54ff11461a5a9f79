//! How far long work is: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

/// Progress of one piece of work, shown on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: Shown,
    what: &'static str,
    done: u64,
    total: u64,
}

/// What [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes sent or received.
    Bytes,
    /// Encoded frames, over all renditions.
    Frames,
    /// Hundredths of the whole.
    Percent,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    /// The step of ten per cent that was printed last.
    Lines(Option<u64>),
}

impl Progress {
    /// Starts at 0 of `total`.
    pub(crate) fn new(what: &'static str, total: u64, unit: Unit) -> Self {
        let shown = if std::io::stderr().is_terminal() {
            let count = match unit {
                Unit::Bytes => "{bytes}/{total_bytes} {bytes_per_sec}",
                Unit::Frames => "{pos}/{len} {per_sec}",
                Unit::Percent => "{pos}%",
            };
            let style = ProgressStyle::with_template(&format!("{what:<12} {{wide_bar}} {count} {{eta}}"))
                .expect("the template is a constant and valid");
            Shown::Bar(ProgressBar::new(total).with_style(style))
        } else {
            Shown::Lines(None)
        };
        Self { shown, what, done: 0, total }
    }

    /// Now at `done`; `detail` is added to a line.
    pub(crate) fn set(&mut self, done: u64, detail: &str) {
        self.done = done;
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines(last) => {
                let step = done.saturating_mul(10) / self.total.max(1);
                if *last != Some(step) {
                    *last = Some(step);
                    let line = format!(
                        "{} {}%{}{detail}",
                        self.what,
                        step * 10,
                        if detail.is_empty() { "" } else { " " }
                    );
                    // Nobody is told when standard error is closed.
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
            }
        }
    }

    /// So much further.
    pub(crate) fn advance(&mut self, by: u64) {
        self.set(self.done.saturating_add(by), "");
    }

    /// Ends at the total.
    pub(crate) fn finish(mut self) {
        self.set(self.total, "");
        if let Shown::Bar(bar) = self.shown {
            bar.finish();
        }
    }
}
