//! What a writer holds back: one buffer of framed records in front of a `WritableFile`, perhaps compressed.
//!
//! Records enter the buffer whole or not at all, and the buffer goes to the file in appends that the file takes whole or
//! not at all; so whatever fails, the file ends after a record.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use recordfs_core::deflate::Deflater;
use recordfs_core::index_line::push_index_line;
use recordfs_core::record::{OVERHEAD, encode_footer, encode_header, encode_record};

use crate::error::{ErrorClass, error};
use crate::python_call::call_method;
use crate::sink::{AppendFailure, Sink};

/// Framed bytes are handed on in pieces of about this size. The file is Python, and by the time that it is called the
/// records have driven it out of the processor's caches: a call takes ten microseconds or so, not the two that it takes in
/// a loop. A piece of 256 KiB made 1 KB records 7 to 13 % slower (AMD EPYC, 2026); one of 1 MiB makes them 4 % faster, but
/// leaves no room in a second-level cache, and takes twice the memory in a program that has hundreds of files open.
const BUFFER_SIZE: usize = 512 * 1024;

/// From this size on a payload is handed on from where it lies instead of being copied into the buffer. Below it the
/// copy costs less than the call.
const DIRECT_SIZE: usize = 128 * 1024;

/// Native work on more bytes than this lets other Python threads run meanwhile.
const DETACH_SIZE: usize = 128 * 1024;

/// Index lines wait in memory for the records they tell of, and longer if the index file fails; up to this size.
const INDEX_LIMIT: usize = 1024 * 1024;

/// How the framed bytes are compressed.
struct Compressor {
    deflater: Deflater,
    /// Compressed bytes that the file has not taken yet.
    pending: Vec<u8>,
    /// Whether a stream has been begun, or has to be even without records, because the file is new.
    begun: bool,
    /// Whether records went in since the last flush.
    unflushed: bool,
}

/// The `offset size` lines written alongside.
struct Index {
    sink: Sink,
    lines: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Open,
    /// `close` failed; only it can be called again.
    Closing,
    Closed,
}

/// See the module.
pub struct RecordBuffer {
    sink: Sink,
    status: Status,
    /// Framed records that have gone neither into the file nor into the compressor.
    frames: Vec<u8>,
    compressor: Option<Box<Compressor>>,
    index: Option<Box<Index>>,
    /// Where the next record begins, in the uncompressed stream.
    offset: u64,
    records: u64,
}

impl RecordBuffer {
    /// A buffer in front of a file whose next record begins at `offset` of the uncompressed stream.
    ///
    /// `new_stream` says that the file has no compressed stream yet and needs one even if no record comes.
    pub fn new(sink: Sink, deflater: Option<Deflater>, new_stream: bool, index: Option<Sink>, offset: u64) -> Self {
        let compressor = deflater.map(|deflater| {
            Box::new(Compressor {
                deflater,
                pending: Vec::new(),
                begun: new_stream,
                unflushed: true,
            })
        });
        Self {
            sink,
            status: Status::Open,
            frames: Vec::with_capacity(BUFFER_SIZE),
            compressor,
            index: index.map(|sink| {
                Box::new(Index {
                    sink,
                    lines: Vec::new(),
                })
            }),
            offset,
            records: 0,
        }
    }

    /// Raises if nothing can be written any more.
    #[inline]
    pub fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if self.status != Status::Open {
            return Err(error(
                py,
                ErrorClass::ClosedFile,
                "the writer is closed",
                Some(self.sink.path()),
                None,
            ));
        }
        self.sink.check(py)
    }

    /// Whether nothing is left to close.
    pub fn is_closed(&self) -> bool {
        self.status == Status::Closed
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many records were taken.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes one record, whole or, if it raises, not at all (`records` tells of the one exception).
    #[inline]
    pub fn write(&mut self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let payload = data.as_bytes();
        if payload.len() >= DIRECT_SIZE {
            return self.write_large(py, data);
        }
        if self.frames.len() + payload.len() + OVERHEAD > BUFFER_SIZE {
            self.make_room(py)?;
        }
        encode_record(&mut self.frames, payload);
        self.count(payload.len());
        Ok(())
    }

    /// Takes one record if that needs no more than room that the buffer has; returns false, with nothing done, if not.
    #[inline]
    pub fn try_write(&mut self, payload: &[u8]) -> bool {
        let end = self.frames.len() + payload.len() + OVERHEAD;
        let is_simple = self.status == Status::Open
            && self.sink.is_sound()
            && payload.len() < DIRECT_SIZE
            && end <= BUFFER_SIZE.min(self.frames.capacity());
        if is_simple {
            encode_record(&mut self.frames, payload);
            self.count(payload.len());
        }
        is_simple
    }

    #[inline]
    fn count(&mut self, payload_size: usize) {
        let size = (payload_size + OVERHEAD) as u64;
        if let Some(index) = &mut self.index {
            push_index_line(&mut index.lines, self.offset, size);
        }
        self.offset += size;
        self.records += 1;
    }

    #[cold]
    fn write_large(&mut self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let payload = data.as_bytes();
        let header = encode_header(payload.len() as u64);
        if self.compressor.is_some() {
            self.make_room(py)?;
            if let Some(compressor) = &mut self.compressor {
                py.detach(|| {
                    compressor.take(&header);
                    compressor.take(payload);
                    compressor.take(&encode_footer(payload));
                });
            }
            self.count(payload.len());
            return Ok(());
        }
        self.check_index(py)?;
        let footer = detach_if(py, payload.len() >= DETACH_SIZE, || encode_footer(payload));
        let before = self.frames.len();
        self.frames.extend_from_slice(&header);
        let rest = [data.clone().into_any(), PyBytes::new(py, &footer).into_any()];
        let result = self
            .sink
            .append_parts(py, &mut self.frames, &rest, payload.len() + footer.len());
        if result.as_ref().map_or_else(|failure| failure.taken, |()| true) {
            self.count(payload.len());
        } else {
            self.frames.truncate(before);
        }
        result.map_err(|failure| failure.error)
    }

    /// Empties the buffer of frames. What raises has lost nothing and taken nothing twice.
    #[cold]
    fn make_room(&mut self, py: Python<'_>) -> PyResult<()> {
        self.check_index(py)?;
        match &mut self.compressor {
            None => self.drain(py),
            Some(compressor) => {
                if compressor.pending.len() >= BUFFER_SIZE {
                    self.sink
                        .append(py, &mut compressor.pending)
                        .map_err(|failure| failure.error)?;
                }
                py.detach(|| compressor.take(&self.frames));
                self.frames.clear();
                self.drain_index(py)
            }
        }
    }

    /// Hands everything to the file and the index.
    fn drain(&mut self, py: Python<'_>) -> PyResult<()> {
        let ready = match &mut self.compressor {
            None => &mut self.frames,
            Some(compressor) => {
                py.detach(|| compressor.take(&self.frames));
                self.frames.clear();
                &mut compressor.pending
            }
        };
        self.sink.append(py, ready).map_err(|failure| failure.error)?;
        self.drain_index(py)
    }

    fn drain_index(&mut self, py: Python<'_>) -> PyResult<()> {
        match &mut self.index {
            None => Ok(()),
            Some(index) => index
                .sink
                .append(py, &mut index.lines)
                .map_err(|failure: AppendFailure| failure.error),
        }
    }

    /// Raises if the index file fails for so long that its lines would fill the memory.
    fn check_index(&mut self, py: Python<'_>) -> PyResult<()> {
        match &self.index {
            Some(index) if index.lines.len() > INDEX_LIMIT => self.drain_index(py),
            _ => Ok(()),
        }
    }

    /// Makes every record so far readable, then calls `method` ("flush" or "sync") of the file and the index.
    pub fn flush(&mut self, py: Python<'_>, method: &Bound<'_, PyString>) -> PyResult<()> {
        if let Some(compressor) = &mut self.compressor {
            py.detach(|| {
                compressor.take(&self.frames);
                compressor.flush();
            });
            self.frames.clear();
        }
        self.drain(py)?;
        call_method(self.sink.file(py), method, ())?;
        let skipped = self.sink.catch_up(py);
        if self.compressor.is_none() {
            self.offset += skipped;
        }
        if let Some(index) = &self.index {
            call_method(index.sink.file(py), method, ())?;
            if skipped > 0 {
                let message = format!(
                    "another writer has appended {skipped} bytes to this file among the records of this one. They are \
                     all there, but the index {} gives wrong offsets: when nobody writes any more, build it again \
                     with build_index",
                    index.sink.path()
                );
                return Err(error(
                    py,
                    ErrorClass::FailedPrecondition,
                    &message,
                    Some(self.sink.path()),
                    None,
                ));
            }
        }
        Ok(())
    }

    /// Writes everything out and closes the files. Idempotent; what raises can be called again.
    pub fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.status == Status::Closed {
            return Ok(());
        }
        self.status = Status::Closing;
        if let Err(broken) = self.sink.check(py) {
            // The rest can never be written; at least the file is let go of.
            self.status = Status::Closed;
            let closed = self.close_files(py);
            return closed.and(Err(broken));
        }
        if let Some(compressor) = &mut self.compressor {
            py.detach(|| {
                compressor.take(&self.frames);
                compressor.finish();
            });
            self.frames.clear();
        }
        self.drain(py)?;
        self.close_files(py)?;
        self.status = Status::Closed;
        Ok(())
    }

    fn close_files(&self, py: Python<'_>) -> PyResult<()> {
        call_method(self.sink.file(py), intern!(py, "close"), ())?;
        if let Some(index) = &self.index {
            call_method(index.sink.file(py), intern!(py, "close"), ())?;
        }
        Ok(())
    }

    /// Lets go of the files without publishing what was not flushed. Idempotent.
    pub fn discard(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.status == Status::Closed {
            return Ok(());
        }
        call_method(self.sink.file(py), intern!(py, "discard"), ())?;
        if let Some(index) = &self.index {
            call_method(index.sink.file(py), intern!(py, "discard"), ())?;
        }
        self.status = Status::Closed;
        self.frames = Vec::new();
        Ok(())
    }

    /// Shows the garbage collector what Python objects are reachable from here.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.sink.traverse(visit)?;
        self.index.as_ref().map_or(Ok(()), |index| index.sink.traverse(visit))
    }
}

impl Compressor {
    fn take(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.begun = true;
            self.unflushed = true;
            self.deflater.deflate(bytes, &mut self.pending);
        }
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            self.deflater.sync_flush(&mut self.pending);
        }
    }

    /// Ends the stream, once.
    fn finish(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.deflater.finish(&mut self.pending);
        }
    }
}

/// Runs native work, without the GIL if `long`.
#[inline]
fn detach_if<R: Send>(py: Python<'_>, long: bool, work: impl FnOnce() -> R + Send) -> R {
    if long { py.detach(work) } else { work() }
}
