//! The index inside an event file. `docs/formats/event-index.md` fixes the bytes.
//!
//! Reading is pure functions over bytes, so that one read of a file's tail and one ranged read a tag suffice:
//! [`locate_index`] finds it in the tail, [`Directory::decode`] reads what it says, `decode_rows` and `decode_column`
//! (through [`Directory::rows`] and [`Directory::column`]) read the blocks that it names.

mod directory;
mod payload;
mod place;

use std::fmt;

pub use directory::{ColumnPlace, Directory, Segment, TagEntry, TagKind};
pub(crate) use payload::encode_index;
pub(crate) use place::encode_pointer;
pub use place::{IndexPlace, MAGIC, locate_index};

/// An index that is not what it says. The file's events are none the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexError(pub &'static str);

impl fmt::Display for IndexError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the index of this event file is damaged: {}", self.0)
    }
}

impl std::error::Error for IndexError {}
