//! The acceptance matrix: difficult sources, and a verifier of what the program makes of them.
//!
//! A development crate: nothing depends on it, and it treats the program as a black box (`cutetube transcode FILE
//! --out DIR`, later a running server). It deliberately shares no code with the product: outputs are read with
//! `mp4-atom`, `dash-mpd`, `m3u8-rs`, ffprobe and ffmpeg, so that a mistake cannot cancel itself out. The one
//! exception is `isobmff`, whose reading is compared with `mp4-atom`'s.
//!
//! - [`clips`] makes every source with ffmpeg's test sources; each frame carries its number as 16 bits on top.
//! - [`truth`] is what a source really holds, according to a plain decode.
//! - [`verify`] compares an output folder with the truth and returns every [`verify::Finding`].
//! - [`quality`] compares chunked encoding with one process: PSNR after joins, and a VBV model.

pub mod boxes;
pub mod clips;
pub mod http;
pub mod manifests;
pub mod quality;
pub mod reading;
pub mod surgery;
pub mod tools;
pub mod truth;
pub mod verify;
