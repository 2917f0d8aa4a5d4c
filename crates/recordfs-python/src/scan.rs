//! `RecordScanner`: the scan of a record file, fed with what Python reads; and telling how a file is compressed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use recordfs_core::detect::{Detected, PREFIX_SIZE, detect};
use recordfs_core::error::{RecordError, RecordFault};
use recordfs_core::format::{Format, InflateErrorKind};
use recordfs_core::index_line::push_index_line;
use recordfs_core::inflate::{EndOfInput, Inflater};
use recordfs_core::record::{DecodeOptions, OVERHEAD};
use recordfs_core::scan::{Found, ScanOptions, Scanner};

/// Lost ranges that are kept with their place and reason; beyond that they are counted only, because a hostile file can
/// hold one every few bytes.
const MAX_LOST_KEPT: usize = 1000;

/// Uncompressed bytes made at a time: they stay in the processor's second-level cache for the checksum.
const INFLATE_ROOM: usize = 128 * 1024;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("COMPRESSION_PREFIX_SIZE", PREFIX_SIZE)?;
    module.add_function(wrap_pyfunction!(detect_compression, module)?)?;
    module.add_class::<RecordScanner>()
}

/// Tell from a file's first bytes how it is compressed.
///
/// Args:
///     prefix: The first bytes, up to ``COMPRESSION_PREFIX_SIZE`` of them.
///     at_end: Whether the file has no further bytes now.
///
/// Returns:
///     ``""``, ``"GZIP"`` or ``"ZLIB"``; None if more bytes are needed, which is never so with ``at_end``.
#[pyfunction]
fn detect_compression(prefix: &[u8], at_end: bool) -> Option<&'static str> {
    match detect(prefix, at_end) {
        Detected::Plain => Some(""),
        Detected::Compressed(Format::Gzip) => Some("GZIP"),
        Detected::Compressed(Format::Zlib) => Some("ZLIB"),
        Detected::NeedMore => None,
    }
}

/// A fault as Python sees it: where the broken record begins, the name of the error's class, the message.
type Fault = (u64, &'static str, String);
/// A lost range as Python sees it: a fault, with the end of the range second.
type Lost = (u64, u64, &'static str, String);

/// Finds the records of a stream that is fed to it in chunks, and what is lost between them.
///
/// It keeps no record; memory does not depend on the stream. ``feed`` releases the GIL. Safe to use from many threads,
/// one call at a time.
///
/// Args:
///     offset: Where in the uncompressed stream the first chunk begins; a record has to begin there.
///     end: Where the uncompressed stream ends, if that is known: a record that claims to reach past it is noticed at
///         its header. Chunks must not reach past it.
///     verify_checksums: Whether to check payloads; lengths always are.
///     max_record_size: Payloads that claim more bytes than this are corrupt.
///     resync: Go on after a broken record and collect what is lost; else the first fault ends the scan. Of a plain file
///         with a known end, bytes are then asked for again where sound records may lead out of a broken one.
///     compression: ``""``, ``"GZIP"`` or ``"ZLIB"``.
///     index: Whether to keep index lines for ``take_index``.
#[pyclass(frozen, module = "recordfs._core")]
pub struct RecordScanner {
    state: Mutex<State>,
}

struct State {
    scanner: Scanner,
    inflation: Option<Inflation>,
    tally: Tally,
}

struct Inflation {
    inflater: Inflater,
    room: Vec<u8>,
}

/// What a scan has found.
struct Tally {
    records: u64,
    payload_bytes: u64,
    sound_end: u64,
    last_offset: Option<u64>,
    /// Up to where everything is either a record or lost.
    covered_end: u64,
    index: Option<Vec<u8>>,
    lost: Vec<Lost>,
    lost_ranges: u64,
    lost_bytes: u64,
    fault: Option<Fault>,
    unfinished_stream: bool,
}

impl Tally {
    fn add(&mut self, found: Found) {
        match found {
            Found::Record { offset, length } => {
                let size = length + OVERHEAD as u64;
                self.records += 1;
                self.payload_bytes += length;
                self.sound_end = offset + size;
                self.covered_end = self.sound_end;
                self.last_offset = Some(offset);
                if let Some(lines) = &mut self.index {
                    push_index_line(lines, offset, size);
                }
            }
            Found::Lost {
                offset,
                end,
                fault,
                torn,
            } => {
                let message = if torn { torn_message(fault) } else { fault.to_string() };
                self.add_lost(offset, end, class_of(&fault), message);
            }
        }
    }

    fn add_lost(&mut self, offset: u64, end: u64, class: &'static str, message: String) {
        self.lost_ranges += 1;
        self.lost_bytes += end - offset;
        self.covered_end = end;
        if self.lost.len() < MAX_LOST_KEPT {
            self.lost.push((offset, end, class, message));
        }
    }

    fn fail(&mut self, error: RecordError) {
        self.fault = Some((error.offset, class_of(&error.fault), error.fault.to_string()));
    }
}

impl State {
    fn feed(&mut self, chunk: &[u8]) -> bool {
        if self.tally.fault.is_some() {
            return false;
        }
        match &mut self.inflation {
            None => feed_plain(&mut self.scanner, &mut self.tally, chunk),
            Some(inflation) => inflation.feed(&mut self.scanner, &mut self.tally, chunk),
        }
    }

    fn finish(&mut self) -> bool {
        if self.tally.fault.is_some() {
            return false;
        }
        let tally = &mut self.tally;
        if let Err(error) = self.scanner.finish(&mut |found| tally.add(found)) {
            tally.fail(error);
            return false;
        }
        let Some(inflation) = &self.inflation else { return true };
        match inflation.inflater.end_of_input() {
            EndOfInput::Complete => {}
            EndOfInput::Unfinished => tally.unfinished_stream = true,
            EndOfInput::PartialTrailer { found, expected } => {
                let message =
                    format!("the compressed stream's trailer is cut off: {found} of {expected} bytes are there");
                tally.fault = Some((self.scanner.position(), "DataLossError", message));
            }
        }
        tally.fault.is_none()
    }
}

fn feed_plain(scanner: &mut Scanner, tally: &mut Tally, chunk: &[u8]) -> bool {
    match scanner.feed(chunk, &mut |found| tally.add(found)) {
        Ok(()) => true,
        Err(error) => {
            tally.fail(error);
            false
        }
    }
}

impl Inflation {
    /// Damage to the compression ends the scan even with resync: nothing after it can be decompressed.
    fn feed(&mut self, scanner: &mut Scanner, tally: &mut Tally, mut chunk: &[u8]) -> bool {
        loop {
            match self.inflater.inflate(chunk, &mut self.room) {
                Ok(progress) => {
                    if !feed_plain(scanner, tally, &self.room[..progress.produced]) {
                        return false;
                    }
                    chunk = &chunk[progress.consumed..];
                    // Damage found after data comes out of a further call, so one that gives nothing is the last.
                    if progress.produced == 0 && chunk.is_empty() {
                        return true;
                    }
                }
                Err(error) => {
                    // What the damage cuts in two is lost with the rest.
                    let class = match error.kind {
                        InflateErrorKind::BadChecksum { .. } | InflateErrorKind::BadLength { .. } => "DataLossError",
                        _ => "CorruptRecordError",
                    };
                    tally.fault = Some((tally.covered_end, class, error.to_string()));
                    return false;
                }
            }
        }
    }
}

impl RecordScanner {
    /// Nothing under this lock panics half-way, so a poisoned lock is sound all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl RecordScanner {
    #[new]
    #[pyo3(signature = (*, offset = 0, end = None, verify_checksums = true, max_record_size = 1 << 31, resync = false, compression = "", index = false))]
    fn new(
        offset: u64,
        end: Option<u64>,
        verify_checksums: bool,
        max_record_size: u64,
        resync: bool,
        compression: &str,
        index: bool,
    ) -> PyResult<Self> {
        let format = match compression {
            "" => None,
            "GZIP" => Some(Format::Gzip),
            "ZLIB" => Some(Format::Zlib),
            other => return Err(PyValueError::new_err(format!("unknown compression {other:?}"))),
        };
        let decode = DecodeOptions {
            max_length: max_record_size,
            verify_payload: verify_checksums,
        };
        let options = ScanOptions {
            decode,
            end,
            resync,
            look_back: format.is_none(),
        };
        let tally = Tally {
            records: 0,
            payload_bytes: 0,
            sound_end: offset,
            last_offset: None,
            covered_end: offset,
            index: index.then(Vec::new),
            lost: Vec::new(),
            lost_ranges: 0,
            lost_bytes: 0,
            fault: None,
            unfinished_stream: false,
        };
        let inflation = format.map(|format| Inflation {
            inflater: Inflater::new(format),
            room: vec![0; INFLATE_ROOM],
        });
        let scanner = Scanner::new(options, offset);
        Ok(Self {
            state: Mutex::new(State {
                scanner,
                inflation,
                tally,
            }),
        })
    }

    /// Take the next chunk of the file; any contiguous buffer of bytes will do.
    ///
    /// Returns:
    ///     False if a fault has ended the scan; ``fault`` says which.
    fn feed(&self, py: Python<'_>, chunk: PyBuffer<u8>) -> PyResult<bool> {
        if !chunk.is_c_contiguous() {
            return Err(PyBufferError::new_err("a chunk has to be contiguous"));
        }
        // SAFETY: the buffer is contiguous and, while `chunk` holds the export, neither moved nor freed. That nobody
        // writes to it meanwhile is up to the caller, as with every buffer that is read without the GIL.
        let bytes = unsafe { std::slice::from_raw_parts(chunk.buf_ptr().cast::<u8>(), chunk.len_bytes()) };
        Ok(py.detach(|| self.lock().feed(bytes)))
    }

    /// Say that the file ends here; returns as ``feed``.
    fn finish(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().finish())
    }

    /// Where in the uncompressed stream the scan stands. The next chunk of a plain file has to begin there, which may be
    /// before the end of the last one.
    #[getter]
    fn position(&self) -> u64 {
        self.lock().scanner.position()
    }

    /// Whether the scan decompresses what it is fed: then `position` is no place in the file.
    #[getter]
    fn compressed(&self) -> bool {
        self.lock().inflation.is_some()
    }

    /// How many of the next bytes are payload that is not checked, so that ``skip`` may take the place of feeding them.
    #[getter]
    fn skippable(&self) -> u64 {
        let state = self.lock();
        match state.inflation {
            None => state.scanner.skippable(),
            Some(_) => 0,
        }
    }

    /// Go on as if so many bytes had been fed, at most ``skippable``.
    fn skip(&self, count: u64) {
        let mut state = self.lock();
        if state.inflation.is_none() {
            state.scanner.skip(count);
        }
    }

    /// Sound records so far.
    #[getter]
    fn records(&self) -> u64 {
        self.lock().tally.records
    }

    /// Bytes in their payloads.
    #[getter]
    fn payload_bytes(&self) -> u64 {
        self.lock().tally.payload_bytes
    }

    /// Where the last sound record ends; ``offset`` before the first.
    #[getter]
    fn sound_end(&self) -> u64 {
        self.lock().tally.sound_end
    }

    /// Where the last sound record begins; None before the first.
    #[getter]
    fn last_offset(&self) -> Option<u64> {
        self.lock().tally.last_offset
    }

    /// The ranges lost so far: ``(offset, end, name of the error's class, message)``, the first thousand of them.
    #[getter]
    fn lost(&self) -> Vec<Lost> {
        self.lock().tally.lost.clone()
    }

    /// How many ranges are lost.
    #[getter]
    fn lost_ranges(&self) -> u64 {
        self.lock().tally.lost_ranges
    }

    /// How many bytes are in them.
    #[getter]
    fn lost_bytes(&self) -> u64 {
        self.lock().tally.lost_bytes
    }

    /// What ended the scan: ``(offset, name of the error's class, message)``, or None.
    #[getter]
    fn fault(&self) -> Option<Fault> {
        self.lock().tally.fault.clone()
    }

    /// Whether the compressed stream has no trailer; known after ``finish``.
    #[getter]
    fn unfinished_stream(&self) -> bool {
        self.lock().tally.unfinished_stream
    }

    /// The index lines (``offset size``, size with header and footer) of the records found since they were last taken.
    ///
    /// Args:
    ///     at_least: Of fewer bytes than this none are taken.
    #[pyo3(signature = (at_least = 0))]
    fn take_index<'py>(&self, py: Python<'py>, at_least: usize) -> Bound<'py, PyBytes> {
        let mut state = self.lock();
        let Some(lines) = state.tally.index.as_mut().filter(|lines| lines.len() >= at_least) else {
            return PyBytes::new(py, b"");
        };
        let taken = PyBytes::new(py, lines);
        lines.clear(); // and keep the memory for the next ones
        taken
    }
}

/// What is said of a record that was torn and written on after.
pub fn torn_message(fault: RecordFault) -> String {
    format!("{fault}; sound records lead out of the length that it claims, so it was torn and then written on after")
}

/// The class of `recordfs.errors` for a fault.
fn class_of(fault: &RecordFault) -> &'static str {
    if fault.is_truncation() {
        "TruncatedRecordError"
    } else {
        "CorruptRecordError"
    }
}
