//! Gathers entries in any order and writes an index.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::fmt;

use super::entry::{Entry, Header, Slice};
use super::slice::{check_cover, resolve, slice_key};
use super::table_writer::TableWriter;

/// Why an entry cannot be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddError {
    /// There is one of that name, or a slice that covers the same rectangle.
    Duplicate,
    /// The empty name is the header's.
    NoName,
    /// The slice does not lie within the tensor.
    OutOfShape,
    /// Another slice of the same name was added with another type or shape.
    OtherTensor,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "it was added already",
            Self::NoName => "a tensor needs a name that is not empty",
            Self::OutOfShape => "the slice does not lie within the tensor's shape",
            Self::OtherTensor => "a slice of it was added with another type or shape",
        })
    }
}

/// A tensor whose slices do not cover it, each element once, so that nobody could read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverError {
    /// Its name.
    pub name: Vec<u8>,
    /// What is wrong with the slices.
    pub what: &'static str,
}

impl fmt::Display for CoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tensor {:?}: its slices have to cover it, each element once, but {}",
            String::from_utf8_lossy(&self.name),
            self.what
        )
    }
}

/// The entries of an index that is being made.
#[derive(Default)]
pub struct IndexBuilder {
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl IndexBuilder {
    /// No entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor.
    ///
    /// # Errors
    /// [`AddError::Duplicate`] and [`AddError::NoName`].
    pub fn add(&mut self, name: &[u8], entry: Entry) -> Result<(), AddError> {
        if name.is_empty() {
            return Err(AddError::NoName);
        }
        match self.entries.entry(name.to_vec()) {
            Place::Occupied(_) => Err(AddError::Duplicate),
            Place::Vacant(place) => {
                place.insert(entry);
                Ok(())
            }
        }
    }

    /// Adds tensors that lie one after the other in a data file, all of them or none.
    ///
    /// # Errors
    /// What [`IndexBuilder::add`] returns for the first that cannot be added, and its place in `names`.
    ///
    /// # Panics
    /// There are not as many entries as names.
    pub fn add_all(&mut self, names: &[Vec<u8>], entries: Vec<Entry>) -> Result<(), (usize, AddError)> {
        assert_eq!(names.len(), entries.len(), "every tensor has a name");
        for (place, (name, entry)) in names.iter().zip(entries).enumerate() {
            if let Err(error) = self.add(name, entry) {
                for added in &names[..place] {
                    self.entries.remove(added);
                }
                return Err((place, error));
            }
        }
        Ok(())
    }

    /// Tells what would keep [`IndexBuilder::add`] or [`IndexBuilder::add_slice`] from adding this.
    ///
    /// # Errors
    /// What these return.
    pub fn check(&self, name: &[u8], dtype: i32, shape: &[i64], slice: Option<&Slice>) -> Result<(), AddError> {
        if name.is_empty() {
            return Err(AddError::NoName);
        }
        let known = self.entries.get(name);
        let Some(slice) = slice.filter(|slice| !covers(slice, shape)) else {
            return known.map_or(Ok(()), |_| Err(AddError::Duplicate));
        };
        if resolve(slice, shape).is_none() {
            return Err(AddError::OutOfShape);
        }
        match known {
            Some(whole) if whole.slices.is_empty() => Err(AddError::Duplicate),
            Some(whole) if whole.dtype != dtype || whole.shape != shape => Err(AddError::OtherTensor),
            _ if self.entries.contains_key(&slice_key(name, slice)) => Err(AddError::Duplicate),
            _ => Ok(()),
        }
    }

    /// Adds one slice of a tensor of the given shape. `entry` says where it lies; a slice that covers the whole tensor
    /// is added as the tensor.
    ///
    /// # Errors
    /// The slice does not lie within the shape, was added before, or contradicts one that was.
    pub fn add_slice(&mut self, name: &[u8], shape: &[i64], slice: &Slice, mut entry: Entry) -> Result<(), AddError> {
        self.check(name, entry.dtype, shape, Some(slice))?;
        if covers(slice, shape) {
            entry.shape = shape.to_vec();
            return self.add(name, entry);
        }
        let lengths = resolve(slice, shape).ok_or(AddError::OutOfShape)?;
        entry.shape = lengths.into_iter().map(|(_, length)| length).collect();
        let whole = self.entries.entry(name.to_vec()).or_insert_with(|| Entry {
            dtype: entry.dtype,
            shape: shape.to_vec(),
            ..Entry::default()
        });
        whole.slices.push(slice.clone());
        self.add(&slice_key(name, slice), entry)
    }

    /// Adds what another index has under a key, which may be a slice's. Slices of one tensor come together.
    pub(super) fn add_from(&mut self, key: &[u8], entry: Entry) -> Result<(), AddError> {
        match self.entries.get_mut(key) {
            Some(known) if !known.slices.is_empty() && !entry.slices.is_empty() => {
                if known.dtype != entry.dtype || known.shape != entry.shape {
                    return Err(AddError::OtherTensor);
                }
                if entry.slices.iter().any(|slice| known.slices.contains(slice)) {
                    return Err(AddError::Duplicate);
                }
                known.slices.extend(entry.slices);
                Ok(())
            }
            _ => self.add(key, entry),
        }
    }

    /// Tells whether the slices of every tensor that has some are there and cover it, each element once.
    ///
    /// # Errors
    /// The first tensor for which they do not.
    pub fn check_cover(&self) -> Result<(), CoverError> {
        for (name, whole) in self.entries.iter().filter(|(_, entry)| !entry.slices.is_empty()) {
            self.check_cover_of(name, whole).map_err(|what| CoverError {
                name: name.clone(),
                what,
            })?;
        }
        Ok(())
    }

    fn check_cover_of(&self, name: &[u8], whole: &Entry) -> Result<(), &'static str> {
        let mut rectangles = Vec::with_capacity(whole.slices.len());
        for slice in &whole.slices {
            if !self.entries.contains_key(&slice_key(name, slice)) {
                return Err("one of them has no entry");
            }
            rectangles.push(resolve(slice, &whole.shape).ok_or("one of them does not lie within it")?);
        }
        check_cover(&rectangles, &whole.shape)
    }

    /// How many entries there are, slices and partitioned tensors each counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of the index file.
    #[must_use]
    pub fn finish(&self, header: &Header) -> Vec<u8> {
        let mut table = TableWriter::new();
        table.add(b"", &header.encode());
        let mut message = Vec::new();
        for (key, entry) in &self.entries {
            message.clear();
            entry.encode(&mut message);
            table.add(key, &message);
        }
        table.finish()
    }
}

/// Whether a slice is the whole of a shape, whichever way it is written.
fn covers(slice: &Slice, shape: &[i64]) -> bool {
    resolve(slice, shape).is_some_and(|extents| {
        extents
            .iter()
            .zip(shape)
            .all(|(&(start, length), &dim)| start == 0 && length == dim)
    })
}
