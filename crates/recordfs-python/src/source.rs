//! The uncompressed bytes of one file: a `RandomAccessFile` read in order, decompressed if need be.

use std::os::fd::RawFd;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use recordfs_core::detect::{Detected, detect};
use recordfs_core::format::{Format, InflateError};
use recordfs_core::inflate::{EndOfInput, Inflater};

use crate::error::{ErrorClass, error};
use crate::lease::Place;
use crate::python_call::{Owned, call_method};
use crate::read_ahead::ReadAhead;
use crate::window::{WINDOW_SIZE, Window};

/// Whether and how a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// To be told from the first bytes.
    Auto,
    /// Not at all.
    Plain,
    /// As a whole.
    Of(Format),
}

impl Compression {
    /// The compression of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "" => Some(Self::Plain),
            "GZIP" => Some(Self::Of(Format::Gzip)),
            "ZLIB" => Some(Self::Of(Format::Zlib)),
            _ => None,
        }
    }
}

/// Why a source has no bytes to give.
pub enum ReadError {
    /// Reading raised; it can be tried again.
    Raised(PyErr),
    /// The compressed bytes are wrong; nothing further can be read.
    Damaged(InflateError),
}

impl From<PyErr> for ReadError {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

enum Codec {
    Undecided,
    Plain,
    Inflate(Box<Decompression>),
}

struct Decompression {
    inflater: Inflater,
    input: Window,
    /// Uncompressed bytes still to be thrown away before the place to start at.
    skip: u64,
}

/// Whether a plain file is read ahead.
enum Ahead {
    /// Not yet: so many windows were read in order.
    After(u32),
    By(ReadAhead),
    Never,
}

/// Windows read in order before a file is read ahead: who wants a few records starts no thread.
const WINDOWS_BEFORE_AHEAD: u32 = 4;

/// One open file.
pub struct Source {
    file: Owned,
    path: Py<PyString>,
    /// Where the next read of the file begins, in stored bytes.
    position: u64,
    /// Where in the uncompressed bytes to start.
    start: u64,
    codec: Codec,
    /// The size when it was last asked for. Files that can tell none say -1.
    known_size: Option<u64>,
    ahead: Ahead,
}

impl Source {
    /// Takes over a file.
    pub fn new(file: Py<PyAny>, path: Py<PyString>, compression: Compression, start: u64) -> Self {
        let mut source = Self {
            file: file.into(),
            path,
            position: 0,
            start,
            codec: Codec::Undecided,
            known_size: None,
            ahead: Ahead::After(0),
        };
        match compression {
            Compression::Auto => {}
            Compression::Plain => {
                source.position = start;
                source.codec = Codec::Plain;
            }
            Compression::Of(format) => source.decompress(format),
        }
        source
    }

    /// The path for messages.
    pub fn path(&self) -> &Py<PyString> {
        &self.path
    }

    /// Shows the garbage collector the file.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&*self.file)
    }

    /// Whether it is known how the file is compressed.
    #[inline]
    pub fn is_decided(&self) -> bool {
        !matches!(self.codec, Codec::Undecided)
    }

    fn decompress(&mut self, format: Format) {
        self.codec = Codec::Inflate(Box::new(Decompression {
            inflater: Inflater::new(format),
            input: Window::new(),
            skip: self.start,
        }));
    }

    /// Tells from the first bytes how the file is compressed; `at_end` says whether there may be more of them. Returns
    /// whether it is known now. `window` then holds only uncompressed bytes from the place to start at.
    pub fn try_decide(&mut self, window: &mut Window, at_end: bool) -> bool {
        match detect(window.bytes(), at_end) {
            Detected::NeedMore => return false,
            Detected::Plain => {
                let unwanted = usize::try_from(self.start).unwrap_or(usize::MAX);
                if unwanted > window.available() {
                    self.position = self.start;
                }
                window.consume(unwanted);
                self.codec = Codec::Plain;
            }
            Detected::Compressed(format) => {
                self.decompress(format);
                if let Codec::Inflate(decompression) = &mut self.codec {
                    std::mem::swap(&mut decompression.input, window);
                }
            }
        }
        true
    }

    /// Puts the next uncompressed bytes into `place` and returns how many; 0 if there are none now.
    pub fn read(&mut self, py: Python<'_>, place: Place) -> Result<usize, ReadError> {
        match &mut self.codec {
            Codec::Undecided | Codec::Plain => {
                let count = read_into(py, &self.file, &self.path, self.position, place)?;
                self.position += count as u64;
                Ok(count)
            }
            Codec::Inflate(decompression) => decompression.read(py, &self.file, &self.path, &mut self.position, place),
        }
    }

    /// Puts the next bytes, which another thread has read meanwhile, after what is in the window, and returns how many.
    /// None if they have to be read in the usual way.
    ///
    /// `descriptor_of` asks for the descriptor by which a file may be read natively.
    pub fn take_ahead(
        &mut self,
        py: Python<'_>,
        window: &mut Window,
        descriptor_of: impl FnOnce(&Py<PyAny>) -> PyResult<Option<RawFd>>,
    ) -> PyResult<Option<usize>> {
        if !matches!(self.codec, Codec::Plain) {
            return Ok(None);
        }
        if let Ahead::After(windows) = &mut self.ahead {
            if *windows < WINDOWS_BEFORE_AHEAD {
                *windows += 1;
                return Ok(None);
            }
            let descriptor = descriptor_of(&self.file)?;
            let begun = descriptor.and_then(|descriptor| ReadAhead::begin(descriptor, self.position));
            self.ahead = begun.map_or(Ahead::Never, Ahead::By);
        }
        let Ahead::By(ahead) = &mut self.ahead else {
            return Ok(None);
        };
        let count = ahead.take(py, self.position, window)?;
        match count {
            Some(count) => self.position += count as u64,
            None => self.end_ahead(py)?,
        }
        Ok(count)
    }

    /// Reads no further ahead.
    fn end_ahead(&mut self, py: Python<'_>) -> PyResult<()> {
        match std::mem::replace(&mut self.ahead, Ahead::Never) {
            Ahead::By(ahead) => ahead.end(py),
            Ahead::After(_) | Ahead::Never => Ok(()),
        }
    }

    /// Whether a plain file is known to have `end` bytes or more; None if its size cannot be known.
    pub fn reaches(&mut self, py: Python<'_>, end: u64) -> PyResult<Option<bool>> {
        if matches!(self.codec, Codec::Inflate(_)) {
            return Ok(None);
        }
        if self.known_size.is_none_or(|size| size < end) {
            let answer = call_method(self.file.bind(py), intern!(py, "size"), ())?;
            let size = answer.extract::<i64>().map_err(|_| {
                let message = format!("size returned {answer}");
                error(py, ErrorClass::Internal, &message, Some(&self.path), None)
            })?;
            self.known_size = u64::try_from(size).ok();
        }
        Ok(self.known_size.map(|size| end <= size))
    }

    /// The size of a plain file when it was last asked for, if it can be known.
    pub fn known_size(&self) -> Option<u64> {
        self.known_size
    }

    /// Goes on reading a plain file at another place.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// What it means if a compressed file ends here; `Complete` for a plain one.
    pub fn end_of_input(&self) -> EndOfInput {
        match &self.codec {
            Codec::Inflate(decompression) => decompression.inflater.end_of_input(),
            Codec::Undecided | Codec::Plain => EndOfInput::Complete,
        }
    }

    /// True if the end came before the place to start at.
    pub fn starts_beyond_end(&mut self, py: Python<'_>) -> PyResult<bool> {
        Ok(match &self.codec {
            Codec::Inflate(decompression) => decompression.skip > 0,
            Codec::Undecided | Codec::Plain if self.start == 0 || self.position > self.start => false,
            Codec::Undecided | Codec::Plain => self.reaches(py, self.start)? == Some(false),
        })
    }

    /// Closes the file.
    pub fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        let closed = call_method(self.file.bind(py), intern!(py, "close"), ());
        self.end_ahead(py)?;
        closed.map(drop)
    }
}

impl Decompression {
    fn read(
        &mut self,
        py: Python<'_>,
        file: &Py<PyAny>,
        path: &Py<PyString>,
        position: &mut u64,
        mut place: Place,
    ) -> Result<usize, ReadError> {
        loop {
            let (inflater, input) = (&mut self.inflater, self.input.bytes());
            let progress = py
                .detach(|| inflater.inflate(input, place.slice()))
                .map_err(ReadError::Damaged)?;
            self.input.consume(progress.consumed);
            if progress.produced > 0 {
                let unwanted = self.skip.min(progress.produced as u64);
                self.skip -= unwanted;
                if unwanted > 0 {
                    place.slice().copy_within(unwanted as usize..progress.produced, 0);
                }
                if unwanted < progress.produced as u64 {
                    return Ok(progress.produced - unwanted as usize);
                }
            } else if progress.consumed == 0 || self.input.available() == 0 {
                let count = self.input.fill_with(WINDOW_SIZE, WINDOW_SIZE, |input_place| {
                    read_into(py, file, path, *position, input_place)
                })?;
                *position += count as u64;
                if count == 0 {
                    return Ok(0);
                }
            }
        }
    }
}

/// One call of a file's `read_into`, whose answer is believed only if it can be true.
fn read_into(py: Python<'_>, file: &Py<PyAny>, path: &Py<PyString>, position: u64, place: Place) -> PyResult<usize> {
    let wanted = place.length();
    let answer = place.lend(py, |view| {
        call_method(file.bind(py), intern!(py, "read_into"), (position, view))
    })?;
    match answer
        .extract::<i64>()
        .ok()
        .and_then(|count| usize::try_from(count).ok())
    {
        Some(count) if count <= wanted => Ok(count),
        _ => {
            let message = format!("read_into was asked for at most {wanted} bytes and returned {answer}");
            Err(error(py, ErrorClass::Internal, &message, Some(path), None))
        }
    }
}
