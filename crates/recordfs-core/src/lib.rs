//! Pure bytes: CRC-32C, record framing, compression, scanning. No Python, no files, no threads of its own but where a caller asks for them.

pub mod bundle;
pub mod crc;
pub mod deflate;
pub mod detect;
pub mod error;
pub mod event;
pub mod example;
pub mod format;
pub mod index_line;
pub mod inflate;
mod partial;
pub mod protobuf;
pub mod record;
pub mod scan;
pub mod shared_library;
mod stream_header;
mod varint;
