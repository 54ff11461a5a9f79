//! Files of captions as blocks of lines, and the times in them.

use super::CaptionError;

/// Lines between empty ones.
pub(super) struct Block<'a> {
    /// Of its first line, from 1.
    line: usize,
    lines: Vec<&'a str>,
}

/// A block that says when its text is shown.
pub(super) struct Timed<'a> {
    /// Where the times are, from 1.
    pub(super) line: usize,
    times: &'a str,
    pub(super) text: Vec<&'a str>,
}

const ARROW: &str = "-->";

/// The text of a file with one kind of line end and without a byte order mark.
pub(super) fn decoded(bytes: &[u8]) -> Result<String, CaptionError> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            std::str::from_utf8(rest).map_err(|_| CaptionError::Encoding)?.to_owned()
        }
    };
    Ok(text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, CaptionError> {
    let (units, rest) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(units.iter().map(|pair| unit(*pair))).collect::<Result<String, _>>();
    text.ok().filter(|_| rest.is_empty()).ok_or(CaptionError::Encoding)
}

/// The blocks of a file; a line with an arrow begins one of its own, as browsers see it (WebVTT §6.1).
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut is_open = false;
    for (number, line) in (1..).zip(text.split('\n')) {
        let is_second_arrow = line.contains(ARROW)
            && blocks.last().is_some_and(|block| block.lines.iter().any(|line| line.contains(ARROW)));
        match blocks.last_mut() {
            _ if line.is_empty() => is_open = false,
            Some(block) if is_open && !is_second_arrow => block.lines.push(line),
            _ => {
                blocks.push(Block { line: number, lines: vec![line] });
                is_open = true;
            }
        }
    }
    blocks
}

impl<'a> Block<'a> {
    /// `None` for headers, notes, style sheets, regions, and text that belongs to no time.
    pub(super) fn timed(self) -> Option<Timed<'a>> {
        let at = self.lines.iter().position(|line| line.contains(ARROW))?;
        let mut lines = self.lines.into_iter().skip(at);
        Some(Timed { line: self.line + at, times: lines.next()?, text: lines.collect() })
    }
}

impl Timed<'_> {
    /// Beginning and end in milliseconds, and the settings that are known.
    pub(super) fn times(&self) -> Result<(u64, u64, String), CaptionError> {
        let parsed = (|| {
            let (start, rest) = self.times.split_once(ARROW)?;
            let rest = rest.trim_start();
            let (end, settings) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
            Some((timestamp(start.trim())?, timestamp(end)?, known(settings)))
        })();
        let (start, end, settings) = parsed.ok_or_else(|| CaptionError::Times {
            line: self.line,
            text: self.times.chars().take(60).collect(),
        })?;
        if end < start {
            return Err(CaptionError::Backwards { line: self.line });
        }
        Ok((start, end, settings))
    }
}

/// `01:02:03.400`, `02:03.400`, or with a comma as SubRip has it; fewer digits of a second are tenths or hundredths.
pub(super) fn timestamp(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once(['.', ','])?;
    let digits = |text: &str, most: usize| {
        let plain = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u64>().ok()).flatten()
    };
    let millis = digits(fraction, 3)? * [100, 10, 1].get(fraction.len().checked_sub(1)?)?;
    let parts: Vec<&str> = whole.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [minutes, seconds] => (0, digits(minutes, 2)?, digits(seconds, 2)?),
        [hours, minutes, seconds] => (digits(hours, 4)?, digits(minutes, 2)?, digits(seconds, 2)?),
        _ => return None,
    };
    (minutes < 60 && seconds < 60).then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

/// The settings that WebVTT has, in a form that cannot be anything else. SubRip's coordinates are none of them.
fn known(settings: &str) -> String {
    let is_known = |setting: &&str| {
        let Some((name, value)) = setting.split_once(':') else { return false };
        let plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b".,%-".contains(&byte);
        ["vertical", "line", "position", "size", "align"].contains(&name)
            && (1..=32).contains(&value.len())
            && value.bytes().all(plain)
            && !value.contains(ARROW)
            && !value.contains("--")
    };
    settings.split_ascii_whitespace().filter(is_known).take(5).collect::<Vec<_>>().join(" ")
}
