//! Arrow streams from anywhere as columns to write: lists become a feature's values, nulls are features that are not
//! there.

use std::collections::HashSet;
use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use recordfs_core::example::{FeatureValues, encode_example};

use super::arrow_abi::{ArrowArray, ArrowArrayStream, ArrowSchema, Released, take_capsule};
use super::arrow_types::type_name;
use super::doubles::Doubles;
use crate::error::invalid_argument;

/// Why a column cannot be written.
type Reason = String;

/// The values of one column of one batch, flat.
enum Flat {
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Bytes(Vec<u8>, Vec<usize>),
    /// A column of nulls only.
    Nothing,
}

struct FlatColumn {
    name: String,
    values: Flat,
    /// Where each row's values begin, and the end.
    splits: Vec<usize>,
    present: Vec<bool>,
}

/// One array of a batch with its type.
#[derive(Clone, Copy)]
struct Typed<'a> {
    schema: &'a ArrowSchema,
    array: &'a ArrowArray,
}

impl<'a> Typed<'a> {
    fn format(self) -> &'a str {
        // SAFETY: a format is a NUL-terminated string that lives as long as its schema.
        unsafe { CStr::from_ptr(self.schema.format) }.to_str().unwrap_or("")
    }

    fn child(self, index: usize) -> Typed<'a> {
        // SAFETY: the caller has found the type to have this child; children live as long as their parents.
        unsafe {
            Typed {
                schema: &**self.schema.children.add(index),
                array: &**self.array.children.add(index),
            }
        }
    }

    fn buffer<T>(self, index: usize) -> *const T {
        // SAFETY: the caller asks for a buffer that the type has.
        unsafe { (*self.array.buffers.add(index)).cast::<T>() }
    }

    /// The value at `place` of a buffer of fixed-size values; places count from the array's offset.
    fn read<T: Copy>(self, index: usize, place: usize) -> T {
        // SAFETY: the producer answers for its buffers having `offset + length` values (offsets one more).
        unsafe {
            self.buffer::<T>(index)
                .add(self.array.offset as usize + place)
                .read_unaligned()
        }
    }

    fn is_null(self, place: usize) -> bool {
        if self.format() == "n" {
            return true;
        }
        if self.array.null_count == 0 || self.array.n_buffers == 0 || self.buffer::<u8>(0).is_null() {
            return false;
        }
        !self.bit(0, place)
    }

    fn bit(self, index: usize, place: usize) -> bool {
        let place = self.array.offset as usize + place;
        // SAFETY: as in `read`: one bit for each value.
        unsafe { *self.buffer::<u8>(index).add(place / 8) & (1 << (place % 8)) != 0 }
    }

    fn bytes(self, index: usize, start: usize, length: usize) -> &'a [u8] {
        if length == 0 {
            return &[];
        }
        // SAFETY: the producer's offsets lie within its data.
        unsafe { std::slice::from_raw_parts(self.buffer::<u8>(index).add(start), length) }
    }

    /// Where the lists of one value each begin and end, in the child's places; None if this is not a list.
    fn list_range(self, place: usize) -> Option<(usize, usize)> {
        match self.format() {
            "+l" => Some((
                self.read::<i32>(1, place) as usize,
                self.read::<i32>(1, place + 1) as usize,
            )),
            "+L" => Some((
                self.read::<i64>(1, place) as usize,
                self.read::<i64>(1, place + 1) as usize,
            )),
            format => {
                let size: usize = format.strip_prefix("+w:")?.parse().ok()?;
                let start = (self.array.offset as usize + place) * size;
                Some((start, start + size))
            }
        }
    }

    fn is_fixed_list(self) -> bool {
        self.format().starts_with("+w:")
    }
}

/// The values of a column, row by row.
fn flatten(name: String, column: Typed<'_>, rows: usize, doubles: Doubles) -> Result<FlatColumn, Reason> {
    let mut leaf = column;
    let mut variable_lists = 0;
    while leaf.format().starts_with('+') {
        if leaf.list_range(0).is_none() && leaf.array.length > 0 || leaf.schema.n_children != 1 {
            return Err(format!(
                "the Arrow type {} cannot be a feature",
                type_name(leaf.format())
            ));
        }
        variable_lists += usize::from(!leaf.is_fixed_list());
        leaf = leaf.child(0);
    }
    if variable_lists > 1 || (variable_lists == 1 && column.is_fixed_list()) {
        return Err(
            "a feature has no shape: only the outermost list may be of variable length; import with sequence=True \
                    (--sequence) makes a column of lists of lists a feature list"
                .to_owned(),
        );
    }
    let mut values = empty_values(leaf)?;
    let mut splits = vec![0];
    let mut present = Vec::with_capacity(rows);
    for row in 0..rows {
        present.push(!column.is_null(row));
        if present[row] {
            append(column, row, row + 1, &mut values, doubles)?;
        }
        splits.push(length(&values));
    }
    Ok(FlatColumn {
        name,
        values,
        splits,
        present,
    })
}

fn length(values: &Flat) -> usize {
    match values {
        Flat::Int64(values) => values.len(),
        Flat::Float(values) => values.len(),
        Flat::Bytes(_, ends) => ends.len(),
        Flat::Nothing => 0,
    }
}

fn empty_values(leaf: Typed<'_>) -> Result<Flat, Reason> {
    if !leaf.schema.dictionary.is_null() {
        return empty_values(dictionary(leaf));
    }
    Ok(match leaf.format() {
        "b" | "c" | "C" | "s" | "S" | "i" | "I" | "l" | "L" => Flat::Int64(Vec::new()),
        "e" | "f" | "g" => Flat::Float(Vec::new()),
        "z" | "Z" | "u" | "U" | "vz" | "vu" => Flat::Bytes(Vec::new(), Vec::new()),
        "n" => Flat::Nothing,
        format if format.starts_with("w:") => Flat::Bytes(Vec::new(), Vec::new()),
        format => {
            return Err(format!(
                "the Arrow type {} cannot be a feature; cast it to numbers or bytes",
                type_name(format)
            ));
        }
    })
}

fn dictionary(leaf: Typed<'_>) -> Typed<'_> {
    // SAFETY: the caller has seen that there is one; it lives as long as its parent.
    unsafe {
        Typed {
            schema: &*leaf.schema.dictionary,
            array: &*leaf.array.dictionary,
        }
    }
}

/// Appends the values at some places of an array, through its lists.
fn append(array: Typed<'_>, start: usize, end: usize, values: &mut Flat, doubles: Doubles) -> Result<(), Reason> {
    for place in start..end {
        if array.is_null(place) {
            return Err("a null in a list cannot be written: a feature has no missing values".to_owned());
        }
        if let Some((start, end)) = array.list_range(place) {
            append(array.child(0), start, end, values, doubles)?;
        } else if array.schema.dictionary.is_null() {
            append_value(array, place, values, doubles)?;
        } else {
            let mut index = Flat::Int64(Vec::with_capacity(1));
            append_value(array, place, &mut index, doubles)?;
            if let Flat::Int64(index) = index {
                let place = index[0] as usize;
                append(dictionary(array), place, place + 1, values, doubles)?;
            }
        }
    }
    Ok(())
}

fn append_value(leaf: Typed<'_>, place: usize, values: &mut Flat, doubles: Doubles) -> Result<(), Reason> {
    match values {
        Flat::Int64(values) => values.push(integer(leaf, place)?),
        Flat::Float(values) => values.push(float(leaf, place, doubles)?),
        Flat::Bytes(data, ends) => {
            data.extend_from_slice(string(leaf, place));
            ends.push(data.len());
        }
        Flat::Nothing => {}
    }
    Ok(())
}

fn integer(leaf: Typed<'_>, place: usize) -> Result<i64, Reason> {
    Ok(match leaf.format() {
        "b" => i64::from(leaf.bit(1, place)),
        "c" => leaf.read::<i8>(1, place).into(),
        "C" => leaf.read::<u8>(1, place).into(),
        "s" => leaf.read::<i16>(1, place).into(),
        "S" => leaf.read::<u16>(1, place).into(),
        "i" => leaf.read::<i32>(1, place).into(),
        "I" => leaf.read::<u32>(1, place).into(),
        "L" => {
            let value = leaf.read::<u64>(1, place);
            i64::try_from(value).map_err(|_| format!("{value} does not fit into an int64"))?
        }
        _ => leaf.read(1, place),
    })
}

fn float(leaf: Typed<'_>, place: usize, doubles: Doubles) -> Result<f32, Reason> {
    match leaf.format() {
        "f" => Ok(leaf.read(1, place)),
        "e" => Ok(half_to_float(leaf.read(1, place))),
        _ => doubles.float32(leaf.read(1, place)),
    }
}

/// IEEE 754 binary16 to binary32, which holds every value of it.
fn half_to_float(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(half >> 10 & 0x1f);
    let fraction = f32::from(half & 0x3ff);
    match (exponent, fraction) {
        (0, _) => sign * fraction * 2f32.powi(-24),
        (31, 0.0) => sign * f32::INFINITY,
        (31, _) => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

fn string(leaf: Typed<'_>, place: usize) -> &[u8] {
    let range = |start: usize, end: usize| leaf.bytes(2, start, end - start);
    match leaf.format() {
        "z" | "u" => range(
            leaf.read::<i32>(1, place) as usize,
            leaf.read::<i32>(1, place + 1) as usize,
        ),
        "Z" | "U" => range(
            leaf.read::<i64>(1, place) as usize,
            leaf.read::<i64>(1, place + 1) as usize,
        ),
        "vz" | "vu" => view(leaf, place),
        format => {
            let size: usize = format
                .strip_prefix("w:")
                .and_then(|size| size.parse().ok())
                .unwrap_or(0);
            leaf.bytes(1, (leaf.array.offset as usize + place) * size, size)
        }
    }
}

/// A string view: its length, then up to twelve bytes, or a prefix, the number of a data buffer and an offset in it.
fn view(leaf: Typed<'_>, place: usize) -> &[u8] {
    const VIEW_SIZE: usize = 16;
    let at = (leaf.array.offset as usize + place) * VIEW_SIZE;
    let view = leaf.bytes(1, at, VIEW_SIZE);
    let number = |at: usize| u32::from_ne_bytes([view[at], view[at + 1], view[at + 2], view[at + 3]]) as usize;
    let length = number(0);
    if length <= 12 {
        &view[4..4 + length]
    } else {
        leaf.bytes(2 + number(8), number(12), length)
    }
}

/// Rows that become records at once: few at first, because nobody knows yet how large they are.
const FIRST_ROWS: usize = 16;
const MOST_ROWS: usize = 4096;

/// Bytes of records after which the next list has fewer rows.
const MOST_BYTES: usize = 32 << 20;

/// The records of an Arrow stream: lists of serialized Examples, none of which spans two of its batches.
#[pyclass(module = "recordfs._core")]
pub struct ArrowRecords {
    stream: ArrowArrayStream,
    schema: ArrowSchema,
    doubles: Doubles,
    /// The batch that is at work, and how many of its rows are done.
    batch: Option<ArrowArray>,
    done: usize,
    rows_at_once: usize,
}

#[pymethods]
impl ArrowRecords {
    /// Takes over the stream in a capsule.
    #[new]
    fn new(py: Python<'_>, capsule: &Bound<'_, PyAny>, refuse_doubles: bool) -> PyResult<Self> {
        let mut stream: ArrowArrayStream = take_capsule(capsule)?;
        let Some(get_schema) = stream.get_schema else {
            return Err(invalid_argument("the Arrow stream has been read before"));
        };
        let mut schema = ArrowSchema::empty();
        // SAFETY: a stream that has not been released, and a place for its schema.
        let code = py.detach(|| unsafe { get_schema(&mut stream, &mut schema) });
        check(&mut stream, code)?;
        // SAFETY: a format is a NUL-terminated string.
        if unsafe { CStr::from_ptr(schema.format) } != c"+s" {
            return Err(invalid_argument(
                "expected an Arrow stream of tables: its batches are no structs",
            ));
        }
        Ok(Self {
            stream,
            schema,
            doubles: Doubles::new(refuse_doubles),
            batch: None,
            done: 0,
            rows_at_once: FIRST_ROWS,
        })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => {
                self.done = 0;
                let Some(batch) = self.next_batch(py)? else {
                    return Ok(None);
                };
                batch
            }
        };
        let rows = self.rows_at_once.min(batch.length as usize - self.done);
        let (records, bytes) = self.records(py, &batch, rows)?;
        self.done += rows;
        if self.done < batch.length as usize {
            self.batch = Some(batch);
        }
        if bytes > MOST_BYTES {
            self.rows_at_once = (rows * MOST_BYTES / bytes).max(1);
        } else if bytes < MOST_BYTES / 2 {
            self.rows_at_once = (self.rows_at_once * 2).min(MOST_ROWS);
        }
        PyList::new(py, records).map(Some)
    }
}

impl ArrowRecords {
    fn next_batch(&mut self, py: Python<'_>) -> PyResult<Option<ArrowArray>> {
        let mut array = ArrowArray::empty();
        let get_next = self.stream.get_next.expect("a stream with a schema has batches");
        // SAFETY: a stream that has not been released, and a place for an array.
        let code = py.detach(|| unsafe { get_next(&mut self.stream, &mut array) });
        check(&mut self.stream, code)?;
        Ok(array.release.is_some().then_some(array))
    }

    /// The next rows of a batch as records, and how many bytes these have.
    fn records<'py>(
        &self,
        py: Python<'py>,
        batch: &ArrowArray,
        rows: usize,
    ) -> PyResult<(Vec<Bound<'py, PyBytes>>, usize)> {
        let mut part = copy(batch);
        part.offset += self.done as i64;
        part.length = rows as i64;
        let part = Typed {
            schema: &self.schema,
            array: &part,
        };
        let columns = batch_columns(part, self.doubles).map_err(invalid_argument)?;
        let mut bytes = 0;
        let records = (0..rows)
            .map(|row| {
                let record = encode_row(py, &columns, row)?;
                bytes += record.as_bytes().len();
                Ok(record)
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok((records, bytes))
    }
}

// SAFETY: a stream is used by one thread at a time (`&mut self`), which is all that its specification asks for.
unsafe impl Sync for ArrowRecords {}

fn check(stream: &mut ArrowArrayStream, code: i32) -> PyResult<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the stream has just failed, so it may be asked why.
    let reason = stream
        .get_last_error
        .map(|ask| unsafe { ask(stream) })
        .filter(|reason| !reason.is_null());
    // SAFETY: a NUL-terminated string that lives until the next call.
    let reason = reason.map(|reason| unsafe { CStr::from_ptr(reason) }.to_string_lossy().into_owned());
    let message = format!(
        "the Arrow stream failed: {}",
        reason.unwrap_or_else(|| format!("error {code}"))
    );
    Err(invalid_argument(message))
}

fn batch_columns(batch: Typed<'_>, doubles: Doubles) -> Result<Vec<FlatColumn>, Reason> {
    let rows = batch.array.length as usize;
    if (0..rows).any(|row| batch.is_null(row)) {
        return Err("a whole row of the Arrow table is null".to_owned());
    }
    let mut names = HashSet::new();
    (0..batch.schema.n_children as usize)
        .map(|index| {
            let column = batch.child(index);
            // SAFETY: a field of a struct has a NUL-terminated name.
            let name = unsafe { CStr::from_ptr(column.schema.name) }
                .to_string_lossy()
                .into_owned();
            if !names.insert(name.clone()) {
                return Err(format!("two columns are called '{name}'"));
            }
            // A struct's own offset counts for its children too.
            let mut shifted = copy(column.array);
            shifted.offset += batch.array.offset;
            let column = Typed {
                schema: column.schema,
                array: &shifted,
            };
            flatten(name.clone(), column, rows, doubles).map_err(|reason| format!("column '{name}': {reason}"))
        })
        .collect()
}

/// The same pointers in another structure, which owns nothing.
fn copy(array: &ArrowArray) -> ArrowArray {
    let mut copied = ArrowArray::empty();
    copied.length = array.length;
    copied.null_count = array.null_count;
    copied.offset = array.offset;
    copied.n_buffers = array.n_buffers;
    copied.n_children = array.n_children;
    copied.buffers = array.buffers;
    copied.children = array.children;
    copied.dictionary = array.dictionary;
    copied
}

fn encode_row<'py>(py: Python<'py>, columns: &[FlatColumn], row: usize) -> PyResult<Bound<'py, PyBytes>> {
    let mut features = Vec::with_capacity(columns.len());
    for column in columns.iter().filter(|column| column.present[row]) {
        let range = column.splits[row]..column.splits[row + 1];
        let values = match &column.values {
            Flat::Int64(values) => FeatureValues::Int64(values[range].into()),
            Flat::Float(values) => FeatureValues::Float(values[range].into()),
            Flat::Bytes(data, ends) => {
                let start = |index: usize| if index == 0 { 0 } else { ends[index - 1] };
                FeatureValues::Bytes(range.map(|index| &data[start(index)..ends[index]]).collect())
            }
            Flat::Nothing => continue,
        };
        features.push((column.name.as_bytes(), values));
    }
    match encode_example(&features) {
        Some(record) => Ok(PyBytes::new(py, &record)),
        None => Err(invalid_argument("a record must be smaller than 2 GiB")),
    }
}
