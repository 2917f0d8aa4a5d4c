//! One block of a sorted table: records whose keys share beginnings, then restart offsets.
//!
//! ```text
//! record ... record | restart offsets: u32 x R | R: u32
//! record: varint shared, varint fresh, varint value length, fresh bytes of the key, value
//! ```

use super::wire::take_varint;
use crate::varint;

/// Calls `visit` with every key and value, and where in the block the record begins. A key is the first bytes of the key
/// before it and the record's own; `key` holds it, and at the beginning nothing.
pub(super) fn visit_records<E>(
    contents: &[u8],
    mut visit: impl FnMut(&[u8], &[u8], usize) -> Result<(), E>,
    malformed: impl Fn(usize, &'static str) -> E,
) -> Result<(), E> {
    let records = records_of(contents).ok_or_else(|| malformed(0, "a block has no room for its restart offsets"))?;
    let mut key = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let start = records.len() - rest.len();
        let Some((shared, fresh, value)) = take_record(&mut rest) else {
            return Err(malformed(start, "a record reaches beyond its block"));
        };
        if shared > key.len() as u64 {
            return Err(malformed(start, "a key shares more bytes than the one before it has"));
        }
        key.truncate(shared as usize);
        key.extend_from_slice(fresh);
        visit(&key, value, start)?;
    }
    Ok(())
}

/// The part of a block that holds records.
fn records_of(contents: &[u8]) -> Option<&[u8]> {
    let (before, count) = contents.split_last_chunk::<4>()?;
    let restarts = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(4)?;
    before.get(..before.len().checked_sub(restarts)?)
}

fn take_record<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8], &'a [u8])> {
    let shared = take_varint(rest)?;
    let fresh = usize::try_from(take_varint(rest)?).ok()?;
    let value = usize::try_from(take_varint(rest)?).ok()?;
    let (fresh, after) = rest.split_at_checked(fresh)?;
    let (value, after) = after.split_at_checked(value)?;
    *rest = after;
    Some((shared, fresh, value))
}

/// Writes one block after another.
pub(super) struct BlockBuilder {
    contents: Vec<u8>,
    restarts: Vec<u32>,
    /// Records from one restart to the next.
    interval: usize,
    /// Records since the last restart.
    since_restart: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    pub(super) fn new(interval: usize) -> Self {
        Self {
            contents: Vec::new(),
            restarts: vec![0],
            interval,
            since_restart: 0,
            last_key: Vec::new(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// How large the finished block would be, in bytes.
    pub(super) const fn size(&self) -> usize {
        self.contents.len() + 4 * self.restarts.len() + 4
    }

    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let shared = if self.since_restart < self.interval {
            key.iter().zip(&self.last_key).take_while(|(a, b)| a == b).count()
        } else {
            // A block is cut long before its size could not be told in 32 bits.
            self.restarts.push(self.contents.len() as u32);
            self.since_restart = 0;
            0
        };
        varint::put(&mut self.contents, shared as u64);
        varint::put(&mut self.contents, (key.len() - shared) as u64);
        varint::put(&mut self.contents, value.len() as u64);
        self.contents.extend_from_slice(&key[shared..]);
        self.contents.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
        self.since_restart += 1;
    }

    /// Appends the block to `out` and begins the next.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.contents);
        for restart in &self.restarts {
            out.extend_from_slice(&restart.to_le_bytes());
        }
        out.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        self.restarts.truncate(1);
        self.since_restart = 0;
        self.last_key.clear();
    }
}
