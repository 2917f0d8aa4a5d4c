//! Writes a sorted table, byte for byte as TensorFlow does.

use super::block::BlockBuilder;
use super::table::{FOOTER_SIZE, MAGIC, block_checksum};
use crate::varint;

/// A data block is written when it has grown to this, in bytes (`table::Options::block_size`).
const BLOCK_SIZE: usize = 262_144;

/// A record this large gets a block of its own.
const LARGE_RECORD: usize = 2 * BLOCK_SIZE;

/// Records from one restart to the next, in data blocks.
const RESTART_INTERVAL: usize = 16;

/// Builds a table in memory.
pub struct TableWriter {
    out: Vec<u8>,
    data: BlockBuilder,
    index: BlockBuilder,
    last_key: Vec<u8>,
    /// The block whose record in the index block waits for the next key: offset and size.
    pending: Option<(usize, usize)>,
}

impl Default for TableWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl TableWriter {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            out: Vec::new(),
            data: BlockBuilder::new(RESTART_INTERVAL),
            index: BlockBuilder::new(1),
            last_key: Vec::new(),
            pending: None,
        }
    }

    /// Adds a record. Keys have to come in increasing order.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        debug_assert!(self.out.is_empty() && self.data.is_empty() || key > &self.last_key[..]);
        if key.len() + value.len() >= LARGE_RECORD {
            self.end_data_block();
        }
        if let Some(block) = self.pending.take() {
            let separator = separator(&self.last_key, key);
            self.add_to_index(&separator, block);
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.data.add(key, value);
        if self.data.size() >= BLOCK_SIZE {
            self.end_data_block();
        }
    }

    fn end_data_block(&mut self) {
        if !self.data.is_empty() {
            self.pending = Some(end_block(&mut self.data, &mut self.out));
        }
    }

    fn add_to_index(&mut self, key: &[u8], block: (usize, usize)) {
        let mut handle = Vec::with_capacity(20);
        put_handle(&mut handle, block);
        self.index.add(key, &handle);
    }

    /// Ends the table and returns its bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.end_data_block();
        if let Some(block) = self.pending.take() {
            let successor = successor(&self.last_key);
            self.add_to_index(&successor, block);
        }
        let metaindex = end_block(&mut BlockBuilder::new(RESTART_INTERVAL), &mut self.out);
        let index = end_block(&mut self.index, &mut self.out);
        let footer = self.out.len();
        put_handle(&mut self.out, metaindex);
        put_handle(&mut self.out, index);
        self.out.resize(footer + FOOTER_SIZE - 8, 0);
        self.out.extend_from_slice(&MAGIC.to_le_bytes());
        self.out
    }
}

/// Appends a block and its trailer; returns where the block is and how large its contents are.
fn end_block(block: &mut BlockBuilder, out: &mut Vec<u8>) -> (usize, usize) {
    let offset = out.len();
    block.finish(out);
    let size = out.len() - offset;
    let crc = block_checksum(&out[offset..], 0);
    out.push(0);
    out.extend_from_slice(&crc.to_le_bytes());
    (offset, size)
}

fn put_handle(out: &mut Vec<u8>, (offset, size): (usize, usize)) {
    varint::put(out, offset as u64);
    varint::put(out, size as u64);
}

/// A short key that is at least `last` and less than `next`.
fn separator(last: &[u8], next: &[u8]) -> Vec<u8> {
    let common = last.iter().zip(next).take_while(|(a, b)| a == b).count();
    match (last.get(common), next.get(common)) {
        (Some(&a), Some(&b)) if a < u8::MAX && a + 1 < b => [&last[..common], &[a + 1]].concat(),
        _ => last.to_vec(),
    }
}

/// A short key that is at least `last`.
fn successor(last: &[u8]) -> Vec<u8> {
    match last.iter().position(|&byte| byte != u8::MAX) {
        Some(place) => [&last[..place], &[last[place] + 1]].concat(),
        None => last.to_vec(),
    }
}
