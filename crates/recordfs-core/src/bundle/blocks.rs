//! Which small tensors are read together: neighbours in a data file, by one read.

use super::dtype::item_size;
use super::entry::Entry;

/// How tensors are put together.
#[derive(Clone, Copy, Debug)]
pub struct BlockLimits {
    /// Tensors of this many bytes and more are not small.
    pub small: u64,
    /// The most bytes between two that are read all the same.
    pub gap: u64,
    /// The most bytes of a block.
    pub size: u64,
}

/// A stretch of a data file, and the tensors in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The number of the data file.
    pub shard: i32,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The place of each tensor in what was asked for, and its entry.
    pub members: Vec<(usize, &'a Entry)>,
}

/// Dimensions that every array has. TensorFlow's tensors have up to 254, NumPy's arrays 32 or 64 by its version.
const MOST_DIMENSIONS: usize = 32;

/// Whether a tensor's bytes are its elements, there are some, and they are few.
fn is_small(entry: &Entry, limits: &BlockLimits) -> bool {
    let size = entry.size as u64;
    entry.slices.is_empty()
        && item_size(entry.dtype).is_some()
        && size > 0
        && size < limits.small
        && entry.shape.len() <= MOST_DIMENSIONS
}

/// Puts small tensors together. Returns the blocks, in the order of the files, and the places of the other tensors.
///
/// The entries are of an index that was parsed, so that none of their numbers is negative and no sum too large.
pub fn small_blocks<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    limits: &BlockLimits,
) -> (Vec<Block<'a>>, Vec<usize>) {
    let (mut small, mut others) = (Vec::new(), Vec::new());
    for (place, entry) in entries.enumerate() {
        if is_small(entry, limits) {
            small.push((place, entry));
        } else {
            others.push(place);
        }
    }
    small.sort_by_key(|(_, entry)| (entry.shard, entry.offset));
    let mut blocks: Vec<Block<'a>> = Vec::new();
    for (place, entry) in small {
        let (start, end) = (entry.offset as u64, (entry.offset + entry.size) as u64);
        match blocks.last_mut() {
            Some(block)
                if block.shard == entry.shard
                    && start.saturating_sub(block.end) <= limits.gap
                    && end.max(block.end) - block.start <= limits.size =>
            {
                block.end = block.end.max(end);
                block.members.push((place, entry));
            }
            _ => blocks.push(Block {
                shard: entry.shard,
                start,
                end,
                members: vec![(place, entry)],
            }),
        }
    }
    (blocks, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BlockLimits = BlockLimits {
        small: 100,
        gap: 10,
        size: 60,
    };

    fn entry(shard: i32, offset: i64, size: i64) -> Entry {
        Entry {
            dtype: 4,
            shape: vec![size],
            shard,
            offset,
            size,
            ..Entry::default()
        }
    }

    #[test]
    fn neighbours_are_read_together_in_the_order_of_the_files() {
        let entries = [
            entry(1, 0, 5),
            entry(0, 30, 5),
            entry(0, 0, 20),
            entry(0, 46, 5),
            entry(0, 50, 20),
            entry(0, 200, 100),
            entry(0, 5, 0),
        ];
        let (blocks, others) = small_blocks(entries.iter(), &LIMITS);
        let found: Vec<_> = blocks
            .iter()
            .map(|block| {
                let places: Vec<_> = block.members.iter().map(|(place, _)| *place).collect();
                (block.shard, block.start, block.end, places)
            })
            .collect();
        let expected = [(0, 0, 35, vec![2, 1]), (0, 46, 70, vec![3, 4]), (1, 0, 5, vec![0])];
        assert_eq!(found, expected);
        assert_eq!(others, [5, 6]);
    }

    #[test]
    fn tensors_that_share_their_bytes_are_in_one_block() {
        let entries = [entry(0, 0, 20), entry(0, 5, 5), entry(0, 0, 20)];
        let (blocks, _) = small_blocks(entries.iter(), &LIMITS);
        assert_eq!(blocks.len(), 1);
        assert_eq!((blocks[0].start, blocks[0].end), (0, 20));
    }
}
