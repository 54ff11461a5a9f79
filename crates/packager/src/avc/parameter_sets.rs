//! What slice headers depend on in sequence and picture parameter sets (ISO/IEC 14496-10 §7.3.2.1, §7.3.2.2).

use std::collections::BTreeMap;

use super::bits::NalBits;
use super::slice_header::SliceHeaderError;

/// The parameter sets that are in force: the last ones with each id.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParameterSets {
    sequence: BTreeMap<u32, Sps>,
    picture: BTreeMap<u32, Pps>,
}

/// Of a sequence parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) separate_colour_planes: bool,
    /// ChromaArrayType: 0 without chroma or with separate planes.
    pub(crate) chroma_array_type: u32,
    /// Bits of `frame_num`.
    pub(crate) frame_num_bits: u32,
    pub(crate) picture_order: PictureOrder,
    pub(crate) frame_mbs_only: bool,
    /// PicSizeInMapUnits.
    pub(crate) map_units: u32,
}

/// `pic_order_cnt_type`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureOrder {
    /// 0, and the bits of `pic_order_cnt_lsb`.
    Counted { lsb_bits: u32 },
    /// 1, with deltas in slice headers.
    Deltas,
    /// 2, or 1 with `delta_pic_order_always_zero_flag`: nothing in slice headers.
    Implied,
}

/// Of a picture parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pps {
    pub(crate) sps: u32,
    pub(crate) cabac: bool,
    /// bottom_field_pic_order_in_frame_present_flag
    pub(crate) bottom_field_order: bool,
    /// SliceGroupChangeRate of slice groups that grow (types 3 to 5).
    pub(crate) slice_group_change_rate: Option<u32>,
    /// num_ref_idx_l0_default_active, num_ref_idx_l1_default_active.
    pub(crate) references: [u32; 2],
    pub(crate) weighted_pred: bool,
    pub(crate) weighted_bipred: u32,
    pub(crate) deblocking_control: bool,
    pub(crate) redundant_pic_cnt: bool,
}

/// Profiles whose parameter sets describe the chroma format (§7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

impl ParameterSets {
    /// Takes a whole sequence parameter set NAL unit (type 7).
    pub(crate) fn add_sps(&mut self, nal: &[u8]) -> Result<(), SliceHeaderError> {
        let (id, sps) = Sps::parse(nal)?;
        self.sequence.insert(id, sps);
        Ok(())
    }

    /// Takes a whole picture parameter set NAL unit (type 8).
    pub(crate) fn add_pps(&mut self, nal: &[u8]) -> Result<(), SliceHeaderError> {
        let (id, pps) = Pps::parse(nal)?;
        self.picture.insert(id, pps);
        Ok(())
    }

    /// The picture parameter set with this id, and its sequence parameter set.
    pub(crate) fn get(&self, id: u32) -> Result<(&Sps, &Pps), SliceHeaderError> {
        let missing = |kind, id| SliceHeaderError::MissingParameterSet { kind, id };
        let pps = self.picture.get(&id).ok_or_else(|| missing("picture", id))?;
        let sps = self.sequence.get(&pps.sps).ok_or_else(|| missing("sequence", pps.sps))?;
        Ok((sps, pps))
    }
}

impl Sps {
    fn parse(nal: &[u8]) -> Result<(u32, Self), SliceHeaderError> {
        let mut bits = NalBits::after_header(nal);
        let profile = bits.take(8)?;
        // Constraint flags and level.
        bits.skip(16)?;
        let id = bits.at_most(31, "seq_parameter_set_id")?;
        let mut chroma_format = 1;
        let mut separate_colour_planes = false;
        if HIGH_PROFILES.contains(&profile) {
            chroma_format = bits.at_most(3, "chroma_format_idc")?;
            if chroma_format == 3 {
                separate_colour_planes = bits.flag()?;
            }
            // bit_depth_luma_minus8, bit_depth_chroma_minus8, qpprime_y_zero_transform_bypass_flag.
            bits.at_most(6, "bit_depth_luma_minus8")?;
            bits.at_most(6, "bit_depth_chroma_minus8")?;
            bits.flag()?;
            if bits.flag()? {
                let lists = if chroma_format == 3 { 12 } else { 8 };
                skip_scaling_matrix(&mut bits, lists)?;
            }
        }
        let frame_num_bits = bits.at_most(12, "log2_max_frame_num_minus4")? + 4;
        let picture_order = parse_picture_order(&mut bits)?;
        // max_num_ref_frames, gaps_in_frame_num_value_allowed_flag.
        bits.unsigned()?;
        bits.flag()?;
        let width = bits.at_most(u32::MAX - 1, "pic_width_in_mbs_minus1")? + 1;
        let height = bits.at_most(u32::MAX - 1, "pic_height_in_map_units_minus1")? + 1;
        let map_units =
            width.checked_mul(height).ok_or(SliceHeaderError::OutOfRange("the picture's size"))?;
        let frame_mbs_only = bits.flag()?;
        let chroma_array_type = if separate_colour_planes { 0 } else { chroma_format };
        let sps = Self {
            separate_colour_planes,
            chroma_array_type,
            frame_num_bits,
            picture_order,
            frame_mbs_only,
            map_units,
        };
        Ok((id, sps))
    }
}

fn parse_picture_order(bits: &mut NalBits<'_>) -> Result<PictureOrder, SliceHeaderError> {
    Ok(match bits.at_most(2, "pic_order_cnt_type")? {
        0 => {
            let lsb_bits = bits.at_most(12, "log2_max_pic_order_cnt_lsb_minus4")? + 4;
            PictureOrder::Counted { lsb_bits }
        }
        1 => {
            let always_zero = bits.flag()?;
            // offset_for_non_ref_pic, offset_for_top_to_bottom_field, offset_for_ref_frame.
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.at_most(255, "num_ref_frames_in_pic_order_cnt_cycle")? {
                bits.signed()?;
            }
            if always_zero { PictureOrder::Implied } else { PictureOrder::Deltas }
        }
        _ => PictureOrder::Implied,
    })
}

/// §7.3.2.1.1.1: the first six lists have 16 entries, the others 64; a list ends where its scale becomes 0.
fn skip_scaling_matrix(bits: &mut NalBits<'_>, lists: u32) -> Result<(), SliceHeaderError> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let mut scale = 8;
        for _ in 0..if list < 6 { 16 } else { 64 } {
            scale = (scale + bits.signed()?).rem_euclid(256);
            if scale == 0 {
                break;
            }
        }
    }
    Ok(())
}

impl Pps {
    fn parse(nal: &[u8]) -> Result<(u32, Self), SliceHeaderError> {
        let mut bits = NalBits::after_header(nal);
        let id = bits.at_most(255, "pic_parameter_set_id")?;
        let sps = bits.at_most(31, "seq_parameter_set_id")?;
        let cabac = bits.flag()?;
        let bottom_field_order = bits.flag()?;
        let more_groups = bits.at_most(7, "num_slice_groups_minus1")?;
        let slice_group_change_rate =
            if more_groups > 0 { parse_slice_groups(&mut bits, more_groups)? } else { None };
        let references = [
            bits.at_most(31, "num_ref_idx_l0_default_active_minus1")? + 1,
            bits.at_most(31, "num_ref_idx_l1_default_active_minus1")? + 1,
        ];
        let weighted_pred = bits.flag()?;
        let weighted_bipred = bits.take(2)?;
        // pic_init_qp_minus26, pic_init_qs_minus26, chroma_qp_index_offset.
        for _ in 0..3 {
            bits.signed()?;
        }
        let deblocking_control = bits.flag()?;
        // constrained_intra_pred_flag
        bits.flag()?;
        let redundant_pic_cnt = bits.flag()?;
        let pps = Self {
            sps,
            cabac,
            bottom_field_order,
            slice_group_change_rate,
            references,
            weighted_pred,
            weighted_bipred,
            deblocking_control,
            redundant_pic_cnt,
        };
        Ok((id, pps))
    }
}

/// The map of `more + 1` slice groups; SliceGroupChangeRate where they grow.
fn parse_slice_groups(bits: &mut NalBits<'_>, more: u32) -> Result<Option<u32>, SliceHeaderError> {
    match bits.at_most(6, "slice_group_map_type")? {
        0 => {
            for _ in 0..=more {
                bits.unsigned()?;
            }
            Ok(None)
        }
        2 => {
            for _ in 0..more * 2 {
                bits.unsigned()?;
            }
            Ok(None)
        }
        3..=5 => {
            bits.flag()?;
            Ok(Some(bits.at_most(u32::MAX - 1, "slice_group_change_rate_minus1")? + 1))
        }
        6 => {
            let width = (more + 1).next_power_of_two().trailing_zeros();
            let units = bits.unsigned()?;
            for _ in 0..=units {
                bits.skip(width)?;
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}
