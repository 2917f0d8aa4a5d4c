//! `RecordTable`: where the records of one file lie, and reading any of them, in any order, checked.
//!
//! A local file is read here, by its descriptor, because at a microsecond a record one call into Python each would be
//! most of the time; other files are read by Python, and their bytes are checked here.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use recordfs_core::error::RecordFault;
use recordfs_core::record::{DecodeOptions, FOOTER_SIZE, HEADER_SIZE, OVERHEAD};

use crate::error::{ErrorClass, error, from_os_error};
use crate::lease::{bytes_from, new_bytes};
use crate::python_call::items;

/// Records that lie next to each other are read together, up to so many bytes: they stay in the processor's second-level
/// cache.
const RUN_SIZE: u64 = 256 * 1024;

/// From this size on a payload is read straight into its bytes object.
const LARGE_SIZE: u64 = 128 * 1024;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<RecordTable>()
}

/// Where the records of a plain record file lie, and reading them by number.
///
/// Safe to use from many threads at once; the GIL is released while a file is read. Usable in a forked child.
///
/// Args:
///     path: The file, for messages.
///     offsets: Where each record's header begins, as an array of unsigned 64-bit numbers.
///     sizes: The bytes of each with header and footer, as many.
///         Neither array is copied.
///     verify_checksums: Whether to compare the checksums of payloads. Those of lengths always are.
#[pyclass(frozen, module = "recordfs._core")]
pub struct RecordTable {
    path: Py<PyString>,
    /// The caller's arrays, offsets and sizes, which keep their size while they are lent.
    arrays: Option<(PyBuffer<u64>, PyBuffer<u64>)>,
    options: DecodeOptions,
    file: Mutex<Option<std::sync::Arc<File>>>,
}

#[derive(Clone, Copy)]
struct Location {
    offset: u64,
    size: u64,
}

impl Location {
    fn end(self) -> u64 {
        self.offset + self.size
    }
}

/// Why a record cannot be handed out.
enum Problem {
    /// The bytes in the file end inside it.
    Short {
        present: u64,
    },
    /// Another record, or none, begins there.
    OtherLength {
        length: u64,
    },
    Broken(RecordFault),
    Io(io::Error),
}

/// A record to read, and the memory of the bytes object that its payload goes to.
struct Wanted {
    location: Location,
    payload: *mut u8,
}

// SAFETY: the pointer leads into a bytes object that nobody else has seen, and one thread at a time uses it.
unsafe impl Send for Wanted {}

#[pymethods]
impl RecordTable {
    #[new]
    #[pyo3(signature = (path, offsets, sizes, *, verify_checksums))]
    fn new(
        path: Py<PyString>,
        offsets: &Bound<'_, PyAny>,
        sizes: &Bound<'_, PyAny>,
        verify_checksums: bool,
    ) -> PyResult<Self> {
        let arrays = if offsets.len()? == 0 && sizes.len()? == 0 {
            None // an empty array lends no memory
        } else {
            Some((PyBuffer::<u64>::get(offsets)?, PyBuffer::<u64>::get(sizes)?))
        };
        if arrays.as_ref().is_some_and(|(offsets, sizes)| {
            !offsets.is_c_contiguous() || !sizes.is_c_contiguous() || offsets.item_count() != sizes.item_count()
        }) {
            return Err(PyValueError::new_err("offsets and sizes are arrays of the same length"));
        }
        Ok(Self {
            path,
            arrays,
            options: DecodeOptions {
                max_length: u64::MAX,
                verify_payload: verify_checksums,
            },
            file: Mutex::new(None),
        })
    }

    fn __len__(&self) -> usize {
        self.count()
    }

    /// Read from a descriptor of the operating system from now on. It is duplicated: the caller may close it.
    fn attach(&self, file_descriptor: RawFd) -> PyResult<()> {
        // SAFETY: the caller's descriptor is open during this call.
        let owned = unsafe { BorrowedFd::borrow_raw(file_descriptor) }.try_clone_to_owned()?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::sync::Arc::new(File::from(owned)));
        Ok(())
    }

    /// Let go of the descriptor; reads under way in other threads still end well.
    fn detach(&self) {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The ``(offset, size)`` of each of these records.
    ///
    /// Raises:
    ///     OutOfRangeError: There is no such record. Negative numbers count from the end.
    fn ranges(&self, py: Python<'_>, numbers: &Bound<'_, PyAny>) -> PyResult<Vec<(u64, u64)>> {
        let locations = self.locate(py, numbers)?;
        Ok(locations.into_iter().map(|one| (one.offset, one.size)).collect())
    }

    /// Check what was read of these records, and return their payloads.
    ///
    /// Raises:
    ///     OutOfRangeError: There is no such record.
    ///     TruncatedRecordError, CorruptRecordError: What was read is no such record.
    fn decode<'py>(
        &self,
        py: Python<'py>,
        numbers: &Bound<'py, PyAny>,
        contents: Vec<Bound<'py, PyBytes>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let locations = self.locate(py, numbers)?;
        let payloads = PyList::empty(py);
        for (location, content) in locations.into_iter().zip(contents) {
            let payload = check(&self.options, location, content.as_bytes())
                .map_err(|problem| self.error(py, location, problem))?;
            payloads.append(bytes_from(py, payload)?)?;
        }
        Ok(payloads)
    }

    /// Read these records from the attached descriptor and return their payloads, in the order asked.
    ///
    /// Raises:
    ///     OutOfRangeError: There is no such record.
    ///     TruncatedRecordError, CorruptRecordError: In the file is no such record.
    ///     ClosedFileError: No descriptor is attached.
    ///     OSError: The system cannot read.
    fn read<'py>(&self, py: Python<'py>, numbers: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let Some(file) = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Err(error(
                py,
                ErrorClass::ClosedFile,
                "the file has been closed",
                Some(&self.path),
                None,
            ));
        };
        let locations = self.locate(py, numbers)?;
        // Memory is given only to what the file has.
        let size = file.metadata()?.len();
        let mut payloads = Vec::with_capacity(locations.len());
        let mut wanted = Vec::with_capacity(locations.len());
        for location in locations {
            if location.end() > size {
                let present = size.saturating_sub(location.offset);
                return Err(self.error(py, location, Problem::Short { present }));
            }
            // SAFETY: with a null pointer nothing is read.
            let bytes = unsafe { new_bytes(py, std::ptr::null(), location.size as usize - OVERHEAD) }?;
            // SAFETY: it is a bytes object. Writing to one is allowed as long as nobody else has it.
            let payload = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()).cast() };
            payloads.push(bytes);
            wanted.push(Wanted { location, payload });
        }
        wanted.sort_by_key(|one| one.location.offset);
        let options = self.options;
        py.detach(move || read_all(&file, &options, &wanted))
            .map_err(|(location, problem)| self.error(py, location, problem))?;
        PyList::new(py, payloads)
    }
}

impl RecordTable {
    fn count(&self) -> usize {
        self.arrays.as_ref().map_or(0, |(offsets, _)| offsets.item_count())
    }

    fn locate(&self, py: Python<'_>, numbers: &Bound<'_, PyAny>) -> PyResult<Vec<Location>> {
        let mut locations = Vec::with_capacity(numbers.len().unwrap_or(0));
        let count = self.count();
        for number in items(numbers)? {
            let number: isize = number?.extract()?;
            let index = if number < 0 { number + count as isize } else { number };
            let index = usize::try_from(index).ok().filter(|index| *index < count);
            let (Some(index), Some((offsets, sizes))) = (index, &self.arrays) else {
                let message = format!("there is no record {number}; the file has {count}");
                return Err(error(py, ErrorClass::OutOfRange, &message, Some(&self.path), None));
            };
            // SAFETY: both arrays have `count` numbers side by side, which stay where they are while they are lent, and the
            // GIL keeps Python from writing meanwhile.
            let (offset, size) = unsafe { (number_at(offsets, index), number_at(sizes, index)) };
            if size < OVERHEAD as u64 || offset.checked_add(size).is_none_or(|end| end > i64::MAX as u64) {
                let message = format!("the index gives a record of {size} bytes at {offset}, which is impossible");
                return Err(error(py, ErrorClass::DataLoss, &message, Some(&self.path), None));
            }
            locations.push(Location { offset, size });
        }
        Ok(locations)
    }

    #[cold]
    fn error(&self, py: Python<'_>, location: Location, problem: Problem) -> PyErr {
        let Location { offset, size } = location;
        let (class, message) = match problem {
            Problem::Short { present } => (
                ErrorClass::TruncatedRecord,
                format!("truncated record: {present} of its {size} bytes are there"),
            ),
            Problem::OtherLength { length } => (
                ErrorClass::CorruptRecord,
                format!(
                    "the index gives a record of {size} bytes here, and the file one of {}: the index is of another \
                     file, or the file was rewritten. Build the index again with build_index",
                    length.saturating_add(OVERHEAD as u64)
                ),
            ),
            Problem::Broken(fault @ RecordFault::LengthChecksum { .. }) => (
                ErrorClass::CorruptRecord,
                format!("{fault}; if the file was rewritten, build its index again with build_index"),
            ),
            Problem::Broken(fault) => (ErrorClass::CorruptRecord, fault.to_string()),
            Problem::Io(failure) => return from_os_error(py, &failure, &self.path),
        };
        error(py, class, &message, Some(&self.path), Some(offset))
    }
}

/// A number of a lent array.
///
/// # Safety
/// The array is contiguous and has more than `index` numbers, and nobody writes to it meanwhile.
unsafe fn number_at(array: &PyBuffer<u64>, index: usize) -> u64 {
    // SAFETY: as promised to this function.
    unsafe { array.buf_ptr().cast::<u64>().add(index).read() }
}

/// The payload of a record, if `bytes` are that record.
fn check<'a>(options: &DecodeOptions, location: Location, bytes: &'a [u8]) -> Result<&'a [u8], Problem> {
    let present = bytes.len() as u64;
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_SIZE>() else {
        return Err(Problem::Short { present });
    };
    check_length(options, location, header)?;
    let Some((payload, footer)) = rest
        .split_last_chunk::<FOOTER_SIZE>()
        .filter(|_| present == location.size)
    else {
        return Err(Problem::Short { present });
    };
    options.check_payload(payload, *footer).map_err(Problem::Broken)?;
    Ok(payload)
}

fn check_length(options: &DecodeOptions, location: Location, header: &[u8; HEADER_SIZE]) -> Result<(), Problem> {
    let length = options.decode_header(header).map_err(|fault| match fault {
        RecordFault::TooLong { length, .. } => Problem::OtherLength { length },
        other => Problem::Broken(other),
    })?;
    if length + OVERHEAD as u64 == location.size {
        Ok(())
    } else {
        Err(Problem::OtherLength { length })
    }
}

type Failure = (Location, Problem);

/// Reads records that come in the order of their offsets.
fn read_all(file: &File, options: &DecodeOptions, wanted: &[Wanted]) -> Result<(), Failure> {
    let mut room = Vec::new();
    let mut rest = wanted;
    while let Some(first) = rest.first() {
        if first.location.size >= LARGE_SIZE {
            read_large(file, options, first).map_err(|problem| (first.location, problem))?;
            rest = &rest[1..];
            continue;
        }
        let (mut end, mut count) = (first.location.end(), 1);
        while let Some(next) = rest.get(count)
            && next.location.offset <= end
            && next.location.end() - first.location.offset <= RUN_SIZE
        {
            end = end.max(next.location.end());
            count += 1;
        }
        let begin = first.location.offset;
        let size = (end - begin) as usize;
        if room.len() < size {
            room.resize(size, 0);
        }
        let have =
            read_up_to(file, &mut room[..size], begin).map_err(|failure| (first.location, Problem::Io(failure)))?;
        for one in &rest[..count] {
            let from = (one.location.offset - begin) as usize;
            let bytes = &room[from.min(have)..have.min(from + one.location.size as usize)];
            let payload = check(options, one.location, bytes).map_err(|problem| (one.location, problem))?;
            // SAFETY: the bytes object was made for so many bytes, and nobody else has it.
            unsafe { std::ptr::copy_nonoverlapping(payload.as_ptr(), one.payload, payload.len()) };
        }
        rest = &rest[count..];
    }
    Ok(())
}

/// Reads a record whose payload goes straight to its place.
fn read_large(file: &File, options: &DecodeOptions, wanted: &Wanted) -> Result<(), Problem> {
    let Location { offset, size } = wanted.location;
    let length = size as usize - OVERHEAD;
    let mut header = [0; HEADER_SIZE];
    let mut footer = [0; FOOTER_SIZE];
    // SAFETY: the bytes object was made for so many bytes, and nobody else has it. Any value of its bytes is valid.
    let payload = unsafe { std::slice::from_raw_parts_mut(wanted.payload, length) };
    let mut present = 0;
    for part in [&mut header[..], payload, &mut footer[..]] {
        let have = read_up_to(file, part, offset + present).map_err(Problem::Io)?;
        present += have as u64;
        if have < part.len() {
            return Err(Problem::Short { present });
        }
    }
    check_length(options, wanted.location, &header)?;
    // SAFETY: as above; it has been written.
    let payload = unsafe { std::slice::from_raw_parts(wanted.payload, length) };
    options.check_payload(payload, footer).map_err(Problem::Broken)
}

/// Reads until the buffer is full or the file ends; returns how many bytes there are.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match file.read_at(&mut buffer[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(have)
}
