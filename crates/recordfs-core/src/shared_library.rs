//! ELF shared libraries, as far as it takes to serve a library's imports: what it needs, and giving undefined functions
//! an address before the system's linker looks for them.
//!
//! Source: the System V ABI, chapters 4 and 5, and the linker of glibc, which takes a symbol that is hidden and absolute
//! at its word. Every number in the file is checked before it is used. Only 64-bit little-endian files are understood.

use std::fmt;
use std::ops::Range;

/// Why a file cannot be used as a shared library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LibraryError {
    /// The file does not begin as an ELF file does.
    NotElf,
    /// It is not a 64-bit little-endian shared library.
    OtherKind,
    /// A part that the file says it has lies outside of it; the part's name.
    Outside(&'static str),
    /// A part that every shared library has is missing; the part's name.
    Missing(&'static str),
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "not an ELF file"),
            Self::OtherKind => write!(f, "an ELF file, but not a 64-bit little-endian shared library"),
            Self::Outside(part) => write!(f, "a damaged ELF file: its {part} lies outside of the file"),
            Self::Missing(part) => write!(f, "an ELF file without a {part}"),
        }
    }
}

impl std::error::Error for LibraryError {}

const HEADER_SIZE: usize = 64;
const SEGMENT_SIZE: usize = 56;
const ENTRY_SIZE: usize = 16;
const SYMBOL_SIZE: usize = 24;

const KIND_SHARED: u16 = 3;
const SEGMENT_LOAD: u32 = 1;
const SEGMENT_DYNAMIC: u32 = 2;

const ENTRY_NULL: u64 = 0;
const ENTRY_NEEDED: u64 = 1;
const ENTRY_HASH: u64 = 4;
const ENTRY_STRINGS: u64 = 5;
const ENTRY_SYMBOLS: u64 = 6;
const ENTRY_STRINGS_SIZE: u64 = 10;
const ENTRY_RPATH: u64 = 15;
const ENTRY_RUNPATH: u64 = 29;
const ENTRY_GNU_HASH: u64 = 0x6fff_fef5;

const SECTION_UNDEFINED: u16 = 0;
const SECTION_ABSOLUTE: u16 = 0xfff1;
const VISIBILITY_HIDDEN: u8 = 2;
const BINDING_WEAK: u8 = 2;

/// A symbol that a library takes from others, or gives to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name, mangled where it comes from C++.
    pub name: String,
    /// Whether the library defines it, rather than taking it from elsewhere.
    pub defined: bool,
    /// Whether the library does without it if nobody defines it.
    pub weak: bool,
    /// Where its entry begins in the file.
    entry: usize,
}

/// The parts of a shared library that linking needs.
#[derive(Clone, Debug)]
pub struct SharedLibrary {
    /// The number of the processor's architecture (`e_machine`): 62 for x86-64, 183 for AArch64.
    pub machine: u16,
    /// The libraries that it needs, by their names.
    pub needed: Vec<String>,
    /// Where it says that these are to be looked for, directories separated by colons.
    pub search_path: Option<String>,
    /// Its dynamic symbols.
    pub symbols: Vec<Symbol>,
    dynamic: Range<usize>,
    strings: Range<usize>,
}

impl SharedLibrary {
    /// Reads a whole file.
    pub fn parse(file: &[u8]) -> Result<Self, LibraryError> {
        if file.get(..4) != Some(b"\x7fELF") {
            return Err(LibraryError::NotElf);
        }
        if file.len() < HEADER_SIZE || file[4..6] != [2, 1] || u16_at(file, 16) != Some(KIND_SHARED) {
            return Err(LibraryError::OtherKind);
        }
        let segments = Segments::parse(file)?;
        let dynamic = segments
            .dynamic
            .clone()
            .ok_or(LibraryError::Missing("dynamic section"))?;
        let entries: Vec<(u64, u64)> = file
            .get(dynamic.clone())
            .ok_or(LibraryError::Outside("dynamic section"))?
            .chunks_exact(ENTRY_SIZE)
            .map(|entry| (number(&entry[..8]), number(&entry[8..])))
            .take_while(|(tag, _)| *tag != ENTRY_NULL)
            .collect();
        let value_of = |wanted: u64| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);

        let strings_at = value_of(ENTRY_STRINGS).ok_or(LibraryError::Missing("string table"))?;
        let strings_size = value_of(ENTRY_STRINGS_SIZE).ok_or(LibraryError::Missing("string table"))?;
        let strings = segments
            .in_file(strings_at)
            .and_then(|start| Some(start..start.checked_add(usize::try_from(strings_size).ok()?)?))
            .filter(|range| range.end <= file.len())
            .ok_or(LibraryError::Outside("string table"))?;
        let table = &file[strings.clone()];

        let symbols_at = value_of(ENTRY_SYMBOLS).ok_or(LibraryError::Missing("symbol table"))?;
        let symbols_at = segments
            .in_file(symbols_at)
            .ok_or(LibraryError::Outside("symbol table"))?;
        let count = if let Some(address) = value_of(ENTRY_GNU_HASH) {
            gnu_hash_count(file, segments.in_file(address))
        } else if let Some(address) = value_of(ENTRY_HASH) {
            // The second number is how many chains there are, one for each symbol.
            segments
                .in_file(address)
                .and_then(|start| u32_at(file, start.checked_add(4)?))
        } else {
            return Err(LibraryError::Missing("hash table"));
        }
        .ok_or(LibraryError::Outside("hash table"))?;

        Ok(Self {
            machine: u16_at(file, 18).ok_or(LibraryError::OtherKind)?,
            needed: entries
                .iter()
                .filter(|(tag, _)| *tag == ENTRY_NEEDED)
                .map(|(_, offset)| string_at(table, *offset))
                .collect::<Result<_, _>>()?,
            search_path: value_of(ENTRY_RUNPATH)
                .or_else(|| value_of(ENTRY_RPATH))
                .map(|offset| string_at(table, offset))
                .transpose()?,
            symbols: read_symbols(file, table, symbols_at, count as usize)?,
            dynamic,
            strings,
        })
    }

    /// Whether the library defines a symbol of this name.
    #[must_use]
    pub fn defines(&self, name: &str) -> bool {
        self.symbols.iter().any(|symbol| symbol.defined && symbol.name == name)
    }

    /// Changes `file`, which this was read from, so that every undefined symbol for which `address_of` has an address
    /// stands for that address, and no library whose name `is_dropped` is needed any more.
    ///
    /// The addresses are those of the running process: what comes of it can be loaded into this process only.
    pub fn bind(&self, file: &mut [u8], address_of: impl Fn(&str) -> Option<usize>, is_dropped: impl Fn(&str) -> bool) {
        for symbol in self.symbols.iter().filter(|symbol| !symbol.defined) {
            if let Some(address) = address_of(&symbol.name) {
                let entry = &mut file[symbol.entry..symbol.entry + SYMBOL_SIZE];
                entry[5] = VISIBILITY_HIDDEN;
                entry[6..8].copy_from_slice(&SECTION_ABSOLUTE.to_le_bytes());
                entry[8..16].copy_from_slice(&(address as u64).to_le_bytes());
            }
        }
        let table = file[self.strings.clone()].to_vec();
        let dynamic = &mut file[self.dynamic.clone()];
        let kept: Vec<u8> = dynamic
            .chunks_exact(ENTRY_SIZE)
            .filter(|entry| {
                number(&entry[..8]) != ENTRY_NEEDED
                    || !string_at(&table, number(&entry[8..])).is_ok_and(|name| is_dropped(&name))
            })
            .flatten()
            .copied()
            .collect();
        dynamic[..kept.len()].copy_from_slice(&kept);
        dynamic[kept.len()..].fill(0);
    }
}

/// Where a library's parts lie in the file.
struct Segments {
    /// Address, offset in the file, and size there, of each part that is loaded.
    loaded: Vec<(u64, u64, u64)>,
    dynamic: Option<Range<usize>>,
}

impl Segments {
    fn parse(file: &[u8]) -> Result<Self, LibraryError> {
        let outside = LibraryError::Outside("table of segments");
        let start = u64_at(file, 32)
            .and_then(|start| usize::try_from(start).ok())
            .ok_or(outside)?;
        let count = u16_at(file, 56).ok_or(outside)?;
        if u16_at(file, 54) != Some(SEGMENT_SIZE as u16) {
            return Err(LibraryError::OtherKind);
        }
        let size = usize::from(count) * SEGMENT_SIZE;
        let end = start.checked_add(size).ok_or(outside)?;
        let table = file.get(start..end).ok_or(outside)?;
        let mut segments = Self {
            loaded: Vec::new(),
            dynamic: None,
        };
        for segment in table.chunks_exact(SEGMENT_SIZE) {
            let kind = u32_at(segment, 0);
            let (offset, address, size) = (
                number(&segment[8..16]),
                number(&segment[16..24]),
                number(&segment[32..40]),
            );
            if kind == Some(SEGMENT_LOAD) {
                segments.loaded.push((address, offset, size));
            } else if kind == Some(SEGMENT_DYNAMIC) {
                let range = usize::try_from(offset)
                    .ok()
                    .zip(usize::try_from(size).ok())
                    .and_then(|(offset, size)| Some(offset..offset.checked_add(size)?));
                segments.dynamic = Some(range.ok_or(LibraryError::Outside("dynamic section"))?);
            }
        }
        Ok(segments)
    }

    /// Where in the file the byte lies that is loaded to an address.
    fn in_file(&self, address: u64) -> Option<usize> {
        self.loaded.iter().find_map(|(start, offset, size)| {
            let within = address.checked_sub(*start)?;
            (within < *size).then_some(usize::try_from(offset.checked_add(within)?).ok()?)
        })
    }
}

/// How many symbols a GNU hash table speaks of: one more than the last of the longest chain.
fn gnu_hash_count(file: &[u8], start: Option<usize>) -> Option<u32> {
    const TABLE_HEADER: usize = 16;
    const FILTER_WORD: usize = 8;
    let start = start?;
    let (buckets, first, filter_words) = (u32_at(file, start)?, u32_at(file, start + 4)?, u32_at(file, start + 8)?);
    let buckets_at = start
        .checked_add(TABLE_HEADER)?
        .checked_add(FILTER_WORD.checked_mul(filter_words as usize)?)?;
    let chains_at = buckets_at.checked_add(4usize.checked_mul(buckets as usize)?)?;
    let mut last = 0;
    for bucket in file.get(buckets_at..chains_at)?.chunks_exact(4) {
        last = last.max(u32::from_le_bytes(bucket.try_into().ok()?));
    }
    if last < first {
        return Some(first); // an empty table: all symbols are undefined ones, which come before `first`
    }
    loop {
        let chain_at = chains_at.checked_add(4usize.checked_mul((last - first) as usize)?)?;
        let is_end = u32_at(file, chain_at)? & 1 == 1;
        last = last.checked_add(1)?;
        if is_end {
            return Some(last);
        }
    }
}

fn read_symbols(file: &[u8], strings: &[u8], start: usize, count: usize) -> Result<Vec<Symbol>, LibraryError> {
    let size = count
        .checked_mul(SYMBOL_SIZE)
        .ok_or(LibraryError::Outside("symbol table"))?;
    let end = start.checked_add(size).ok_or(LibraryError::Outside("symbol table"))?;
    let table = file.get(start..end).ok_or(LibraryError::Outside("symbol table"))?;
    table
        .chunks_exact(SYMBOL_SIZE)
        .enumerate()
        .skip(1) // the first stands for no symbol
        .map(|(index, symbol)| {
            Ok(Symbol {
                name: string_at(strings, u64::from(u32_at(symbol, 0).unwrap_or_default()))?,
                defined: u16_at(symbol, 6) != Some(SECTION_UNDEFINED),
                weak: symbol[4] >> 4 == BINDING_WEAK,
                entry: start + index * SYMBOL_SIZE,
            })
        })
        .collect()
}

fn string_at(strings: &[u8], offset: u64) -> Result<String, LibraryError> {
    let outside = LibraryError::Outside("string table");
    let rest = strings
        .get(usize::try_from(offset).map_err(|_| outside)?..)
        .ok_or(outside)?;
    let end = rest.iter().position(|byte| *byte == 0).ok_or(outside)?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

/// The little-endian number in eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..offset.checked_add(8)?).map(number)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..offset.checked_add(4)?)
        .map(|bytes| number(bytes) as u32)
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..offset.checked_add(2)?)
        .map(|bytes| number(bytes) as u16)
}
