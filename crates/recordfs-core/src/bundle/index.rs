//! A whole index in memory: its header and every tensor's entry, sorted by name.

use std::collections::{BTreeMap, HashSet};

use super::entry::{Entry, Header, Slice};
use super::error::{BundleError, EntryFault, Fault};
use super::slice::{check_cover, resolve, slice_key};
use super::table::read_table;

struct Item {
    key: Box<[u8]>,
    entry: Result<Entry, EntryFault>,
}

/// The index of a checkpoint.
pub struct Index {
    header: Header,
    /// In the order of the keys, without the header's.
    items: Vec<Item>,
    /// Places in `items` that are tensors, not slices of one.
    tensors: Vec<usize>,
}

/// One slice of a tensor and the entry that says where it lies.
pub struct LocatedSlice<'a> {
    /// `(start, length)` for each dimension.
    pub rectangle: Vec<(i64, i64)>,
    /// Its entry.
    pub entry: &'a Entry,
}

impl Index {
    /// Reads an index file.
    ///
    /// # Errors
    /// The file is not an index, damaged, or of a version that may not be read. An entry that makes no sense is not an error
    /// here but in [`Index::entry`]: the other tensors can be read.
    pub fn parse(file: &[u8]) -> Result<Self, BundleError> {
        let mut header: Option<Header> = None;
        let mut items = Vec::new();
        read_table(file, |key, value, offset| {
            let error = |fault| BundleError { offset, fault };
            let Some(header) = &header else {
                if !key.is_empty() {
                    return Err(error(Fault::NoHeader));
                }
                let found = Header::decode(value).map_err(|malformed| error(Fault::Malformed(malformed.reason)))?;
                if !found.is_readable() {
                    return Err(error(Fault::Version {
                        min_consumer: found.min_consumer,
                    }));
                }
                header = Some(found);
                return Ok(());
            };
            items.push(Item {
                key: key.into(),
                entry: Entry::decode(value, header.num_shards),
            });
            Ok(())
        })?;
        let header = header.ok_or(BundleError {
            offset: 0,
            fault: Fault::NoHeader,
        })?;
        let tensors = tensors_of(&items);
        Ok(Self { header, items, tensors })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// How many tensors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The tensors' names, sorted. Entries of slices are not among them.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.tensors.iter().map(|&place| &*self.items[place].key)
    }

    /// The tensors, sorted by name, each with its entry, or what is wrong with it.
    pub fn tensors(&self) -> impl Iterator<Item = (&[u8], Result<&Entry, &EntryFault>)> {
        let items = self.tensors.iter().map(|&place| &self.items[place]);
        items.map(|item| (&*item.key, item.entry.as_ref()))
    }

    /// All keys but the header's, slices included, each with its entry.
    pub fn items(&self) -> impl Iterator<Item = (&[u8], Result<&Entry, &EntryFault>)> {
        self.items.iter().map(|item| (&*item.key, item.entry.as_ref()))
    }

    /// The entry under a name, if there is one, or what is wrong with it.
    #[must_use]
    pub fn entry(&self, name: &[u8]) -> Option<Result<&Entry, &EntryFault>> {
        let place = self.items.binary_search_by(|item| (*item.key).cmp(name)).ok()?;
        Some(self.items[place].entry.as_ref())
    }

    /// How many bytes each data file has to have at least, for those to which an entry leads. Entries that make no sense
    /// lead nowhere.
    #[must_use]
    pub fn data_ends(&self) -> BTreeMap<i32, i64> {
        let mut ends = BTreeMap::new();
        let entries = self.items.iter().filter_map(|item| item.entry.as_ref().ok());
        for entry in entries.filter(|entry| entry.slices.is_empty()) {
            let end = ends.entry(entry.shard).or_insert(0);
            *end = entry.offset.saturating_add(entry.size).max(*end);
        }
        ends
    }

    /// Where the slices of a partitioned tensor lie. Together they cover it, each element once.
    ///
    /// # Errors
    /// An entry is missing or wrong, or they do not cover the tensor.
    pub fn slices(&self, name: &[u8], whole: &Entry) -> Result<Vec<LocatedSlice<'_>>, EntryFault> {
        let slices: Vec<LocatedSlice<'_>> = whole
            .slices
            .iter()
            .map(|slice| self.locate(name, whole, slice))
            .collect::<Result<_, _>>()?;
        let rectangles: Vec<_> = slices.iter().map(|slice| slice.rectangle.clone()).collect();
        check_cover(&rectangles, &whole.shape).map_err(|what| EntryFault::Slice(what.to_owned()))?;
        Ok(slices)
    }

    fn locate(&self, name: &[u8], whole: &Entry, slice: &Slice) -> Result<LocatedSlice<'_>, EntryFault> {
        let fault = |what: &str| EntryFault::Slice(format!("{slice:?} {what}"));
        let rectangle = resolve(slice, &whole.shape).ok_or_else(|| fault("does not lie within the tensor"))?;
        let entry = self
            .entry(&slice_key(name, slice))
            .ok_or_else(|| fault("has no entry"))?
            .map_err(EntryFault::clone)?;
        if !entry.slices.is_empty() || entry.dtype != whole.dtype {
            return Err(fault("has an entry of another kind"));
        }
        if !entry.shape.iter().eq(rectangle.iter().map(|(_, length)| length)) {
            return Err(fault("has an entry of another shape"));
        }
        Ok(LocatedSlice { rectangle, entry })
    }
}

/// Which items are no slices: all but those whose keys follow from the `slices` of another.
fn tensors_of(items: &[Item]) -> Vec<usize> {
    let mut keys = HashSet::new();
    for item in items {
        for slice in item.entry.iter().flat_map(|entry| &entry.slices) {
            keys.insert(slice_key(&item.key, slice));
        }
    }
    // Slices' keys begin with a zero byte, so most need no look into the set.
    let is_slice = |item: &Item| item.key.first() == Some(&0) && keys.contains(&*item.key);
    (0..items.len()).filter(|&place| !is_slice(&items[place])).collect()
}
