//! Several checkpoints, each with shards of its own, to one index: no byte of a tensor moves.

use std::collections::HashMap;
use std::fmt;

use super::builder::{AddError, CoverError, IndexBuilder};
use super::entry::Header;
use super::error::EntryFault;
use super::index::Index;

/// Why parts cannot become one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// There is nothing to merge.
    NoParts,
    /// Byte order, version, or where it matters the number of data files, of a part differs from the first's.
    Header {
        /// The part's place.
        part: usize,
    },
    /// A part's entry makes no sense.
    Entry {
        /// The part's place.
        part: usize,
        /// The tensor's name, or a slice's key.
        key: Vec<u8>,
        /// What is wrong with it.
        fault: EntryFault,
    },
    /// Two parts contradict each other.
    Conflict {
        /// The second part's place.
        part: usize,
        /// The tensor's name, or a slice's key.
        key: Vec<u8>,
        /// In what.
        error: AddError,
    },
    /// The slices of a tensor that all parts have together do not make it up.
    Cover(CoverError),
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoParts => write!(f, "there are no parts to merge"),
            Self::Header { part } => write!(
                f,
                "part {part} has another byte order, version or number of data files than the parts before it"
            ),
            Self::Entry { part, key, fault } => {
                write!(f, "tensor {:?} of part {part}: {fault}", String::from_utf8_lossy(key))
            }
            Self::Conflict { part, key, error } => write!(
                f,
                "tensor {:?} of part {part} is in a part before it as well: {error}",
                String::from_utf8_lossy(key)
            ),
            Self::Cover(error) => error.fmt(f),
        }
    }
}

/// What a merge comes to.
pub struct Merged {
    /// For each data file of the whole the part and the number there; empty where numbers are kept.
    pub shards: Vec<(usize, i32)>,
    /// The bytes of the index file.
    pub index: Vec<u8>,
}

/// How the data files of the whole are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Anew, in the order of the first reference. Data files that nothing refers to are left out.
    Anew,
    /// As the parts have it: they were written for one checkpoint, each its own of these files.
    Kept,
}

/// Merges the indexes of parts.
///
/// TensorFlow's own merge counts these in the header all the same, and then nobody can open the result. Here the header
/// says how many data files there are.
///
/// # Errors
/// The parts do not go together.
pub fn merge(parts: &[&Index], numbering: Numbering) -> Result<Merged, MergeError> {
    let first = parts.first().ok_or(MergeError::NoParts)?.header();
    let mut shards = Vec::new();
    let mut numbers = HashMap::new();
    let mut builder = IndexBuilder::new();
    for (part, index) in parts.iter().enumerate() {
        if index.header().big_endian != first.big_endian || index.header().producer != first.producer {
            return Err(MergeError::Header { part });
        }
        if numbering == Numbering::Kept && index.header().num_shards != first.num_shards {
            return Err(MergeError::Header { part });
        }
        for (key, entry) in index.items() {
            let mut entry = entry
                .map_err(|fault| MergeError::Entry {
                    part,
                    key: key.to_vec(),
                    fault: fault.clone(),
                })?
                .clone();
            if numbering == Numbering::Anew && entry.slices.is_empty() {
                entry.shard = *numbers.entry((part, entry.shard)).or_insert_with(|| {
                    shards.push((part, entry.shard));
                    shards.len() as i32 - 1
                });
            }
            builder.add_from(key, entry).map_err(|error| MergeError::Conflict {
                part,
                key: key.to_vec(),
                error,
            })?;
        }
    }
    builder.check_cover().map_err(MergeError::Cover)?;
    let num_shards = match numbering {
        Numbering::Anew => (shards.len() as i32).max(1),
        Numbering::Kept => first.num_shards,
    };
    let header = Header {
        num_shards,
        ..first.clone()
    };
    Ok(Merged {
        index: builder.finish(&header),
        shards,
    })
}
