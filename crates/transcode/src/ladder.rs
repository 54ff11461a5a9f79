//! Which renditions a source gets: sizes, rate caps and H.264 levels.

use serde::{Deserialize, Serialize};

use crate::{
    picture::Size,
    settings::{EncodeSettings, LadderStep},
};

#[cfg(test)]
mod tests;

/// One rendition of the video. Its index in the ladder is what chunks and segments name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Name and folder of the rendition: `360p`, after the shorter side.
    pub id: String,
    /// Even.
    pub width: u32,
    /// Even.
    pub height: u32,
    /// Bit/s: the cap, or the average under ABR.
    pub max_rate: u32,
    /// VBV buffer of one encoder in bits.
    pub buf_size: u32,
    /// H.264 level times ten: 31 is level 3.1.
    pub level: u8,
    /// Reference frames that the level has room for.
    pub max_references: u8,
}

/// Longest side of a rendition; decoders take no more.
const LONGEST_SIDE: u32 = 3840;
/// Shortest side of a rendition: one macroblock.
const SHORTEST_SIDE: u32 = 16;

/// The rungs of a source, lowest first; never empty.
///
/// Each step of the settings is a length of the shorter side; the display aspect is kept to the nearest even size.
/// Nothing is enlarged: a source below the lowest step gets one rung at its own size, with a rate in proportion.
/// The level is the lowest of H.264 Annex A that has room for the size at `frames_per_second`, the rate and four
/// reference frames, and the same in all chunks.
pub fn plan_ladder(display: Size, frames_per_second: u32, settings: &EncodeSettings) -> Vec<Rung> {
    let shorter = display.width.min(display.height);
    let mut steps: Vec<LadderStep> =
        settings.rungs.iter().filter(|step| step.short_side > 0).copied().collect();
    steps.sort_by_key(|step| step.short_side);
    steps.dedup_by_key(|step| step.short_side);
    let lowest = steps.first().copied().unwrap_or(LadderStep { short_side: 360, max_rate: 800_000 });
    steps.retain(|step| step.short_side <= shorter);
    if steps.is_empty() {
        let own = even_at_most(shorter).max(2);
        let rate = u64::from(lowest.max_rate) * u64::from(own) / u64::from(lowest.short_side);
        steps.push(LadderStep { short_side: own, max_rate: u32::try_from(rate).unwrap_or(u32::MAX) });
    }
    let mut rungs: Vec<Rung> = steps.into_iter().map(|step| rung(display, step, frames_per_second)).collect();
    // Shapes so extreme that the longer side's bound makes steps equal.
    rungs.dedup_by_key(|rung| (rung.width, rung.height));
    rungs
}

fn rung(display: Size, step: LadderStep, frames_per_second: u32) -> Rung {
    let Size { width, height } = rung_size(display, step.short_side);
    // Any row of chunks then keeps within two seconds at the cap, see `docs/decisions/0009`.
    let buf_size = step.max_rate.saturating_add(step.max_rate / 4);
    let macroblocks = Macroblocks::of(width, height);
    let fits = |limits: &&Level| {
        limits.has_room(macroblocks, frames_per_second)
            && u64::from(step.max_rate) <= limits.max_rate()
            && u64::from(buf_size) <= limits.max_buffer()
    };
    let level = LEVELS.iter().find(fits).unwrap_or(&HIGHEST_LEVEL);
    Rung {
        id: format!("{}p", step.short_side),
        width,
        height,
        max_rate: step.max_rate,
        buf_size,
        level: level.number,
        max_references: u8::try_from(level.references(macroblocks)).unwrap_or(16),
    }
}

/// The size of a rung: even, not larger than the display, sides within bounds.
fn rung_size(display: Size, short_side: u32) -> Size {
    let (shorter, longer) = (display.width.min(display.height), display.width.max(display.height));
    let nearest_even = |side: u64, of: u64| u32::try_from((side + of) / (2 * of) * 2).unwrap_or(LONGEST_SIDE);
    let short = even_at_most(short_side);
    let long = if short == even_at_most(shorter) {
        even_at_most(longer)
    } else {
        nearest_even(u64::from(longer) * u64::from(short), shorter.max(1).into()).min(even_at_most(longer))
    };
    let (short, long) = if long > LONGEST_SIDE {
        // From the display itself: steps that meet the bound become one size, whatever each was rounded to.
        (nearest_even(u64::from(shorter) * u64::from(LONGEST_SIDE), longer.into()), LONGEST_SIDE)
    } else {
        (short, long)
    };
    let (short, long) = (short.max(SHORTEST_SIDE), long.max(SHORTEST_SIDE));
    if display.width <= display.height {
        Size { width: short, height: long }
    } else {
        Size { width: long, height: short }
    }
}

fn even_at_most(side: u32) -> u32 {
    side / 2 * 2
}

/// A picture's size in macroblocks.
#[derive(Debug, Clone, Copy)]
struct Macroblocks {
    width: u64,
    height: u64,
}

impl Macroblocks {
    fn of(width: u32, height: u32) -> Self {
        Self { width: u64::from(width.div_ceil(16)), height: u64::from(height.div_ceil(16)) }
    }

    fn area(self) -> u64 {
        self.width * self.height
    }
}

/// A row of H.264 (08/2021) Table A-1.
#[derive(Debug)]
struct Level {
    /// Times ten.
    number: u8,
    /// MaxMBPS.
    macroblocks_per_second: u64,
    /// MaxFS.
    macroblocks: u64,
    /// MaxDpbMbs.
    decoded_macroblocks: u64,
    /// MaxBR.
    rate: u64,
    /// MaxCPB.
    buffer: u64,
}

/// cpbBrVclFactor of the High profile (Table A-2): bits in a unit of MaxBR and MaxCPB.
const HIGH_PROFILE_UNIT: u64 = 1250;
/// With b-pyramid x264 needs four.
const FEWEST_REFERENCES: u64 = 4;

impl Level {
    const fn new(
        number: u8,
        macroblocks_per_second: u64,
        macroblocks: u64,
        decoded_macroblocks: u64,
        rate: u64,
        buffer: u64,
    ) -> Self {
        Self { number, macroblocks_per_second, macroblocks, decoded_macroblocks, rate, buffer }
    }

    fn has_room(&self, picture: Macroblocks, frames_per_second: u32) -> bool {
        // A.3.1: no side longer than √(8 · MaxFS).
        let longest = picture.width.max(picture.height);
        picture.area() <= self.macroblocks
            && longest * longest <= 8 * self.macroblocks
            && picture.area() * u64::from(frames_per_second) <= self.macroblocks_per_second
            && self.references(picture) >= FEWEST_REFERENCES
    }

    fn references(&self, picture: Macroblocks) -> u64 {
        (self.decoded_macroblocks / picture.area().max(1)).min(16)
    }

    fn max_rate(&self) -> u64 {
        self.rate * HIGH_PROFILE_UNIT
    }

    fn max_buffer(&self) -> u64 {
        self.buffer * HIGH_PROFILE_UNIT
    }
}

const HIGHEST_LEVEL: Level = Level::new(62, 16_711_680, 139_264, 696_320, 800_000, 800_000);
const LEVELS: [Level; 19] = [
    Level::new(10, 1_485, 99, 396, 64, 175),
    Level::new(11, 3_000, 396, 900, 192, 500),
    Level::new(12, 6_000, 396, 2_376, 384, 1_000),
    Level::new(13, 11_880, 396, 2_376, 768, 2_000),
    Level::new(20, 11_880, 396, 2_376, 2_000, 2_000),
    Level::new(21, 19_800, 792, 4_752, 4_000, 4_000),
    Level::new(22, 20_250, 1_620, 8_100, 4_000, 4_000),
    Level::new(30, 40_500, 1_620, 8_100, 10_000, 10_000),
    Level::new(31, 108_000, 3_600, 18_000, 14_000, 14_000),
    Level::new(32, 216_000, 5_120, 20_480, 20_000, 20_000),
    Level::new(40, 245_760, 8_192, 32_768, 20_000, 25_000),
    Level::new(41, 245_760, 8_192, 32_768, 50_000, 62_500),
    Level::new(42, 522_240, 8_704, 34_816, 50_000, 62_500),
    Level::new(50, 589_824, 22_080, 110_400, 135_000, 135_000),
    Level::new(51, 983_040, 36_864, 184_320, 240_000, 240_000),
    Level::new(52, 2_073_600, 36_864, 184_320, 240_000, 240_000),
    Level::new(60, 4_177_920, 139_264, 696_320, 240_000, 240_000),
    Level::new(61, 8_355_840, 139_264, 696_320, 480_000, 480_000),
    HIGHEST_LEVEL,
];
