//! Where the header of a slice ends (ISO/IEC 14496-10 §7.3.3): it stays clear, what follows is encrypted.

use super::bits::NalBits;
use super::parameter_sets::{ParameterSets, PictureOrder, Pps, Sps};

/// Why the header of a slice cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SliceHeaderError {
    /// The NAL unit is over before its header or parameters are.
    #[error("a NAL unit ends inside of its header")]
    Ended,
    /// A value that the standard excludes.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A slice refers to parameters that did not come.
    #[error("no {kind} parameter set `{id}`")]
    MissingParameterSet {
        /// `sequence` or `picture`.
        kind: &'static str,
        /// Its id.
        id: u32,
    },
    /// Data partitions (types 2 to 4), scalable, multiview or 3D extensions (types 20 and 21).
    #[error("NAL units of type `{0}` are not supported")]
    Unsupported(u8),
}

/// What common encryption does with a NAL unit (23001-7 §10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NalUnit {
    /// It stays clear.
    Other,
    /// A slice whose first bytes stay clear: NAL unit header and slice header.
    Slice { header_bytes: usize },
}

const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

impl ParameterSets {
    /// Reads a NAL unit, without its length prefix, and keeps the parameters it may hold.
    pub(crate) fn read(&mut self, nal: &[u8]) -> Result<NalUnit, SliceHeaderError> {
        let Some(&header) = nal.first() else { return Ok(NalUnit::Other) };
        match header & 31 {
            kind @ (SLICE | IDR_SLICE) => {
                let is_reference = header & 0x60 != 0;
                let header_bytes = self.slice_header(nal, kind == IDR_SLICE, is_reference)?;
                Ok(NalUnit::Slice { header_bytes })
            }
            kind @ (2..=4 | 20 | 21) => Err(SliceHeaderError::Unsupported(kind)),
            SPS => self.add_sps(nal).map(|()| NalUnit::Other),
            PPS => self.add_pps(nal).map(|()| NalUnit::Other),
            _ => Ok(NalUnit::Other),
        }
    }

    fn slice_header(&self, nal: &[u8], is_idr: bool, is_reference: bool) -> Result<usize, SliceHeaderError> {
        let mut bits = NalBits::after_header(nal);
        // first_mb_in_slice
        bits.unsigned()?;
        let kind = SliceKind::from_code(bits.at_most(9, "slice_type")?);
        let (sps, pps) = self.get(bits.at_most(255, "pic_parameter_set_id")?)?;
        let mut slice = Slice { bits, sps, pps, kind, references: pps.references };
        slice.picture(is_idr)?;
        slice.prediction()?;
        if is_reference {
            slice.reference_marking(is_idr)?;
        }
        slice.coding()?;
        Ok(slice.bits.bytes_read())
    }
}

/// `slice_type` modulo 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SliceKind {
    P,
    B,
    I,
    Sp,
    Si,
}

impl SliceKind {
    fn from_code(code: u32) -> Self {
        match code % 5 {
            0 => Self::P,
            1 => Self::B,
            2 => Self::I,
            3 => Self::Sp,
            _ => Self::Si,
        }
    }

    /// How many lists of reference pictures it predicts from.
    fn lists(self) -> usize {
        match self {
            Self::I | Self::Si => 0,
            Self::P | Self::Sp => 1,
            Self::B => 2,
        }
    }
}

/// A slice while its header is read.
struct Slice<'a> {
    bits: NalBits<'a>,
    sps: &'a Sps,
    pps: &'a Pps,
    kind: SliceKind,
    /// num_ref_idx_l0_active, num_ref_idx_l1_active.
    references: [u32; 2],
}

impl Slice<'_> {
    /// From `colour_plane_id` to `redundant_pic_cnt`.
    fn picture(&mut self, is_idr: bool) -> Result<(), SliceHeaderError> {
        let (bits, sps, pps) = (&mut self.bits, self.sps, self.pps);
        if sps.separate_colour_planes {
            bits.skip(2)?;
        }
        bits.skip(sps.frame_num_bits)?;
        // field_pic_flag, bottom_field_flag
        let is_field = !sps.frame_mbs_only && bits.flag()?;
        if is_field {
            bits.flag()?;
        }
        if is_idr {
            // idr_pic_id
            bits.at_most(65535, "idr_pic_id")?;
        }
        let bottom_field_order = pps.bottom_field_order && !is_field;
        match sps.picture_order {
            PictureOrder::Counted { lsb_bits } => {
                bits.skip(lsb_bits)?;
                if bottom_field_order {
                    bits.signed()?;
                }
            }
            PictureOrder::Deltas => {
                bits.signed()?;
                if bottom_field_order {
                    bits.signed()?;
                }
            }
            PictureOrder::Implied => {}
        }
        if pps.redundant_pic_cnt {
            bits.at_most(127, "redundant_pic_cnt")?;
        }
        Ok(())
    }

    /// From `direct_spatial_mv_pred_flag` to `pred_weight_table`.
    fn prediction(&mut self) -> Result<(), SliceHeaderError> {
        let lists = self.kind.lists();
        if self.kind == SliceKind::B {
            // direct_spatial_mv_pred_flag
            self.bits.flag()?;
        }
        // num_ref_idx_active_override_flag
        if lists > 0 && self.bits.flag()? {
            for active in self.references.iter_mut().take(lists) {
                *active = self.bits.at_most(31, "num_ref_idx_active_minus1")? + 1;
            }
        }
        for _ in 0..lists {
            self.reference_modification()?;
        }
        let is_weighted = match self.kind {
            SliceKind::P | SliceKind::Sp => self.pps.weighted_pred,
            SliceKind::B => self.pps.weighted_bipred == 1,
            SliceKind::I | SliceKind::Si => false,
        };
        if is_weighted { self.weights(lists) } else { Ok(()) }
    }

    /// `ref_pic_list_modification` of one list (§7.3.3.1).
    fn reference_modification(&mut self) -> Result<(), SliceHeaderError> {
        if !self.bits.flag()? {
            return Ok(());
        }
        // 0 to 2 carry a number, 3 ends the list.
        while self.bits.at_most(3, "modification_of_pic_nums_idc")? != 3 {
            self.bits.unsigned()?;
        }
        Ok(())
    }

    /// `pred_weight_table` (§7.3.3.2).
    fn weights(&mut self, lists: usize) -> Result<(), SliceHeaderError> {
        let bits = &mut self.bits;
        let has_chroma = self.sps.chroma_array_type != 0;
        bits.at_most(7, "luma_log2_weight_denom")?;
        if has_chroma {
            bits.at_most(7, "chroma_log2_weight_denom")?;
        }
        for active in self.references.into_iter().take(lists) {
            for _ in 0..active {
                // A weight and an offset for luma, then for each kind of chroma.
                let luma = if bits.flag()? { 2 } else { 0 };
                for _ in 0..luma {
                    bits.signed()?;
                }
                let chroma = if has_chroma && bits.flag()? { 4 } else { 0 };
                for _ in 0..chroma {
                    bits.signed()?;
                }
            }
        }
        Ok(())
    }

    /// `dec_ref_pic_marking` (§7.3.3.3).
    fn reference_marking(&mut self, is_idr: bool) -> Result<(), SliceHeaderError> {
        let bits = &mut self.bits;
        if is_idr {
            // no_output_of_prior_pics_flag, long_term_reference_flag
            return bits.skip(2);
        }
        // adaptive_ref_pic_marking_mode_flag
        if !bits.flag()? {
            return Ok(());
        }
        loop {
            let numbers = match bits.at_most(6, "memory_management_control_operation")? {
                0 => return Ok(()),
                5 => 0,
                3 => 2,
                _ => 1,
            };
            for _ in 0..numbers {
                bits.unsigned()?;
            }
        }
    }

    /// From `cabac_init_idc` to the end.
    fn coding(&mut self) -> Result<(), SliceHeaderError> {
        let (bits, pps) = (&mut self.bits, self.pps);
        let is_switching = matches!(self.kind, SliceKind::Sp | SliceKind::Si);
        if pps.cabac && self.kind.lists() > 0 {
            bits.at_most(2, "cabac_init_idc")?;
        }
        // slice_qp_delta
        bits.signed()?;
        if is_switching {
            if self.kind == SliceKind::Sp {
                // sp_for_switch_flag
                bits.flag()?;
            }
            // slice_qs_delta
            bits.signed()?;
        }
        if pps.deblocking_control && bits.at_most(2, "disable_deblocking_filter_idc")? != 1 {
            // slice_alpha_c0_offset_div2, slice_beta_offset_div2
            bits.signed()?;
            bits.signed()?;
        }
        if let Some(rate) = pps.slice_group_change_rate {
            bits.skip(slice_group_change_bits(self.sps.map_units, rate))?;
        }
        Ok(())
    }
}

/// Ceil(Log2(PicSizeInMapUnits ÷ SliceGroupChangeRate + 1)), an exact division (§7.4.3).
fn slice_group_change_bits(map_units: u32, rate: u32) -> u32 {
    let (units, rate) = (u64::from(map_units), u64::from(rate));
    (0..32).find(|&bits| rate << bits >= units + rate).unwrap_or(32)
}

#[cfg(test)]
mod tests {
    use super::slice_group_change_bits;

    #[test]
    fn slice_group_change_bits_round_up() {
        let bits = |units, rate| slice_group_change_bits(units, rate);
        assert_eq!(
            [bits(99, 99), bits(99, 98), bits(99, 33), bits(99, 32), bits(1, u32::MAX)],
            [1, 2, 2, 3, 1]
        );
    }
}
