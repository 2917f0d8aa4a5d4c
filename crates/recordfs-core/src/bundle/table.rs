//! Reads a sorted table: the footer, the blocks that it leads to, and every record of them.
//!
//! ```text
//! data block 0 | ... | data block k-1 | metaindex block | index block | footer
//! block:  contents | compression (1 byte) | masked CRC-32C of contents and compression (4 bytes)
//! footer: metaindex handle | index handle | zeros up to 40 bytes | magic (8 bytes)
//! handle: varint offset, varint size of the contents
//! ```

use std::borrow::Cow;

use super::block::visit_records;
use super::error::{BundleError, Fault};
use super::wire::take_varint;
use crate::crc::{Crc32c, mask};

pub(super) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
pub(super) const FOOTER_SIZE: usize = 48;
pub(super) const TRAILER_SIZE: usize = 5;

/// Snappy turns three bytes into 64 at most: a copy element with an offset of two bytes.
const SNAPPY_BEST_RATIO: usize = 22;

/// Keys that share beginnings are small in the file and large in memory. Honest tables come to a tenth of this.
const KEY_BYTES_PER_FILE_BYTE: u64 = 64;
const KEY_BYTES_OF_ANY_FILE: u64 = 1 << 20;

#[derive(Clone, Copy)]
struct Handle {
    offset: u64,
    size: u64,
}

fn take_handle(bytes: &mut &[u8]) -> Option<Handle> {
    let offset = take_varint(bytes)?;
    let size = take_varint(bytes)?;
    Some(Handle { offset, size })
}

/// Calls `visit` with every key, value, and the offset of the block that holds them, in the keys' order.
///
/// # Errors
/// The file is no such table, a checksum is wrong, or keys do not increase; or what `visit` returns.
pub fn read_table(
    file: &[u8],
    mut visit: impl FnMut(&[u8], &[u8], u64) -> Result<(), BundleError>,
) -> Result<(), BundleError> {
    let size = file.len() as u64;
    let Some((before, footer)) = file.split_last_chunk::<FOOTER_SIZE>() else {
        return Err(BundleError {
            offset: 0,
            fault: Fault::TooShort { size },
        });
    };
    let footer_offset = before.len() as u64;
    let (handles, magic) = footer.split_at(FOOTER_SIZE - 8);
    let found = magic.iter().rev().fold(0u64, |all, &byte| all << 8 | u64::from(byte));
    if found != MAGIC {
        return Err(BundleError {
            offset: size - 8,
            fault: Fault::Magic { found },
        });
    }
    let mut handles = handles;
    // The metaindex block is always empty, and TensorFlow does not look at it either.
    let index = take_handle(&mut handles)
        .and_then(|_| take_handle(&mut handles))
        .ok_or(BundleError {
            offset: footer_offset,
            fault: Fault::Malformed("the footer's handles"),
        })?;
    let mut limits = Limits {
        last_key: None,
        key_bytes: 0,
        limit: KEY_BYTES_OF_ANY_FILE + size * KEY_BYTES_PER_FILE_BYTE,
    };
    for handle in data_handles(before, index)? {
        let contents = read_block(before, handle)?;
        visit_records(
            &contents,
            |key, value, _| {
                limits.check(key).map_err(|fault| BundleError {
                    offset: handle.offset,
                    fault,
                })?;
                visit(key, value, handle.offset)
            },
            |_, what| BundleError {
                offset: handle.offset,
                fault: Fault::Malformed(what),
            },
        )?;
    }
    Ok(())
}

/// Keys increase and do not grow without bound.
struct Limits {
    last_key: Option<Vec<u8>>,
    key_bytes: u64,
    limit: u64,
}

impl Limits {
    fn check(&mut self, key: &[u8]) -> Result<(), Fault> {
        self.key_bytes += key.len() as u64;
        if self.key_bytes > self.limit {
            return Err(Fault::KeyBytes { limit: self.limit });
        }
        match &mut self.last_key {
            Some(last) if key <= &last[..] => return Err(Fault::KeyOrder),
            Some(last) => {
                last.clear();
                last.extend_from_slice(key);
            }
            None => self.last_key = Some(key.to_vec()),
        }
        Ok(())
    }
}

/// The handles of the data blocks, in their keys' order. The keys of the index block only say where to look; here all
/// blocks are read, and the order of the records proves theirs.
fn data_handles(before_footer: &[u8], index: Handle) -> Result<Vec<Handle>, BundleError> {
    let contents = read_block(before_footer, index)?;
    let error = |what| BundleError {
        offset: index.offset,
        fault: Fault::Malformed(what),
    };
    let mut handles = Vec::new();
    visit_records(
        &contents,
        |_, mut value, _| {
            handles.push(take_handle(&mut value).ok_or_else(|| error("a handle in the index block"))?);
            Ok(())
        },
        |_, what| error(what),
    )?;
    Ok(handles)
}

/// The contents of one block, checked and uncompressed.
fn read_block(before_footer: &[u8], handle: Handle) -> Result<Cow<'_, [u8]>, BundleError> {
    let error = |fault| BundleError {
        offset: handle.offset,
        fault,
    };
    let bounds = || Fault::BlockBounds {
        size: handle.size,
        limit: before_footer.len() as u64,
    };
    let stored = usize::try_from(handle.offset)
        .ok()
        .and_then(|offset| before_footer.get(offset..))
        .ok_or_else(|| error(bounds()))?;
    let (contents, trailer) = usize::try_from(handle.size)
        .ok()
        .and_then(|size| stored.split_at_checked(size))
        .ok_or_else(|| error(bounds()))?;
    let trailer = trailer.first_chunk::<TRAILER_SIZE>().ok_or_else(|| error(bounds()))?;
    let [compression, crc @ ..] = *trailer;
    let stored = u32::from_le_bytes(crc);
    let computed = block_checksum(contents, compression);
    if stored != computed {
        return Err(error(Fault::BlockChecksum { stored, computed }));
    }
    match compression {
        0 => Ok(Cow::Borrowed(contents)),
        1 => decompress(contents)
            .map(Cow::Owned)
            .map_err(|reason| error(Fault::Snappy(reason))),
        _ => Err(error(Fault::Compression(compression))),
    }
}

/// The masked checksum of a block as it is stored.
pub(super) fn block_checksum(contents: &[u8], compression: u8) -> u32 {
    let mut crc = Crc32c::new();
    crc.update(contents);
    crc.update(&[compression]);
    mask(crc.value())
}

fn decompress(contents: &[u8]) -> Result<Vec<u8>, String> {
    let size = snap::raw::decompress_len(contents).map_err(|error| error.to_string())?;
    if size > contents.len().saturating_mul(SNAPPY_BEST_RATIO) {
        return Err(format!(
            "{} bytes cannot hold the {size} that they claim",
            contents.len()
        ));
    }
    snap::raw::Decoder::new()
        .decompress_vec(contents)
        .map_err(|error| error.to_string())
}
