//! Pure bytes: CRC-32C, record framing, compression, scanning. No Python, no files, no threads of its own.

pub mod crc;
pub mod deflate;
pub mod detect;
pub mod error;
pub mod inflate;
pub mod record;
pub mod scan;
