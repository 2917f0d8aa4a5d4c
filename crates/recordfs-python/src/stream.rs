//! The state of a reader: records out of one source after the other.
//!
//! Nothing is forgotten when a read raises: what was read stays in the window or in the unfinished large record, and the
//! next call goes on there. The parts of it stand in modules of their own: where the bytes come from in `filling`, where
//! they end in `ending`, where they are wrong in `recovery` and `looking_back`, where they were replaced in `replacing`;
//! what counts as handed out in `handing_out`, how several readers share the records in `share`, and those too large for
//! the window in `large_records`.

mod ending;
mod filling;
mod handing_out;
mod large_records;
mod looking_back;
mod recovery;
mod replacing;
mod share;

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyString};
use recordfs_core::detect::{Detected, detect};
use recordfs_core::error::RecordFault;
use recordfs_core::format::InflateError;
use recordfs_core::record::{DecodeOptions, Decoded, HEADER_SIZE, OVERHEAD, decode_record};
use recordfs_core::scan::ChainSearch;

use crate::error::{ErrorClass, error, is_aborted};
use crate::large::LargeRecord;
use crate::lease::bytes_from;
use crate::progress::Progress;
use crate::python_call::{Owned, call_method};
use crate::source::{Compression, Source};
use crate::window::{WINDOW_SIZE, Window};
use share::Share;

/// From this payload size on a record is read straight into its bytes object. Below it the copy costs less than the
/// calls.
const LARGE_SIZE: u64 = 128 * 1024;

/// What to do about a broken record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Raise it.
    Raise,
    /// Report it and find the next sound record.
    Skip,
    /// Report it and end.
    Stop,
}

/// What a reader was asked to do.
pub struct ReadOptions {
    /// How records are judged.
    pub decode: DecodeOptions,
    /// What to do about broken ones.
    pub on_error: OnError,
    /// Whether to wait for more at the end of the last source.
    pub follow: bool,
    /// How long to wait without a new byte.
    pub follow_timeout: Option<Duration>,
    /// Which records of how many readers are handed out: `(index, count)`; all without it.
    pub share: Option<(u64, u64)>,
}

/// How records are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As bytes objects.
    Bytes,
    /// As read-only memoryviews.
    Views,
    /// As None: another reader hands them out.
    Nothing,
}

/// What came of asking for a record.
pub enum Next<'py> {
    /// A record.
    Record(Bound<'py, PyAny>),
    /// Nothing is there now, and the caller did not want to wait.
    WouldWait,
    /// Nothing more.
    End,
}

enum Step {
    Again,
    WouldWait,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Open,
    /// A corrupt record, or `on_error="stop"`, ended it.
    Ended,
    Closed,
}

/// See the module.
pub struct Stream {
    /// Opens one source after the other; see `recordfs.records.sources`.
    sources: Owned,
    options: ReadOptions,
    progress: Arc<Progress>,
    status: Status,
    current: Option<Source>,
    /// Whether large local files are read by another thread while what came before is looked at.
    reads_ahead: bool,
    source_index: u64,
    /// Where the record at the front of the window begins.
    offset: u64,
    window: Window,
    large: Option<LargeRecord>,
    /// Whether the last record was large: then the next one probably is, and reading far ahead would copy it.
    after_large: bool,
    /// The broken record after which a sound one is being looked for.
    searching: Option<(u64, RecordFault)>,
    /// The broken record at the front of the window, which is being looked into for sound ones that lead out of it.
    looking_back: Option<(Box<ChainSearch>, RecordFault)>,
    /// What is wrong with the compressed bytes of the current source.
    damage: Option<InflateError>,
    /// Whether an earlier source ended without the trailer of its compressed stream.
    unfinished_before: bool,
    /// Since when a follower has waited, and how long it pauses.
    waiting: Option<(Instant, Duration)>,
    /// Whether a follower has begun again with another file and not had a byte of it yet.
    begun_again: bool,
    /// Which of the records this reader hands out, if not all.
    share: Option<Box<Share>>,
    /// Whether records are being gathered: then they, and what lies between them, count when all are handed out.
    gathering: bool,
    /// The records gathered, and the bytes in their payloads.
    gathered: (u64, u64),
}

impl Stream {
    /// A reader that will begin at `start`, the index of a source and an offset in it.
    pub fn new(sources: Py<PyAny>, options: ReadOptions, progress: Arc<Progress>, start: (u64, u64)) -> Self {
        progress.set_position(start.0, start.1);
        let share = options.share.map(|(index, count)| Box::new(Share::new(index, count)));
        Self {
            sources: sources.into(),
            options,
            progress,
            status: Status::Open,
            current: None,
            reads_ahead: false,
            source_index: start.0,
            offset: start.1,
            window: Window::new(),
            large: None,
            after_large: false,
            searching: None,
            looking_back: None,
            damage: None,
            unfinished_before: false,
            waiting: None,
            begun_again: false,
            share,
            gathering: false,
            gathered: (0, 0),
        }
    }

    /// The next record to hand out.
    #[inline]
    pub fn next<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        if self.share.is_some() {
            return self.next_of_share(py, form, may_wait);
        }
        self.next_record(py, form, may_wait)
    }

    /// The next record as bytes, if it lies in the window as a whole and nothing has to be dealt with before it. None, with
    /// nothing done, if not: `next` tells what there is.
    #[inline]
    pub fn try_next<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        if self.share.is_some() || self.is_busy() || !self.is_ready() {
            return None;
        }
        let Ok(Decoded::Record { payload, size }) = decode_record(self.window.bytes(), &self.options.decode) else {
            return None;
        };
        let record = bytes_from(py, &self.window.bytes()[payload.clone()]).ok()?;
        self.pass(Form::Bytes, payload.len(), size);
        Some(record)
    }

    /// Whether something other than the next record of the window has to be dealt with first.
    #[inline]
    fn is_busy(&self) -> bool {
        self.status != Status::Open
            || self.large.is_some()
            || self.searching.is_some()
            || self.looking_back.is_some()
            || self.progress.is_stopped()
    }

    /// The next record of the sources, whoever hands it out.
    #[inline]
    fn next_record<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        if self.is_busy() {
            return self.next_slowly(py, form, may_wait);
        }
        // Sound records that lie in the window as a whole, which is nearly all of them, need nothing else.
        match decode_record(self.window.bytes(), &self.options.decode) {
            Ok(Decoded::Record { payload, size }) if self.is_ready() => {
                let record = match form {
                    Form::Bytes => bytes_from(py, &self.window.bytes()[payload.clone()])?.into_any(),
                    Form::Views => self.window.view(py, payload.start, payload.len())?.into_any(),
                    Form::Nothing => py.None().into_bound(py),
                };
                self.pass(form, payload.len(), size);
                Ok(Next::Record(record))
            }
            _ => self.next_slowly(py, form, may_wait),
        }
    }

    #[cold]
    fn next_slowly<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        loop {
            match self.look_for_next(py, form, may_wait) {
                Err(failure) if self.options.follow && is_aborted(py, &failure) => {
                    match self.begin_again(py, may_wait)? {
                        Some(Step::Again) => {}
                        Some(Step::WouldWait) => return Ok(Next::WouldWait),
                        Some(Step::End) => return Ok(Next::End),
                        None => return Err(failure),
                    }
                }
                found => return found,
            }
        }
    }

    fn look_for_next<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        loop {
            match self.status {
                Status::Open if !self.progress.is_stopped() => {}
                Status::Open | Status::Ended => return Ok(Next::End),
                Status::Closed => {
                    return Err(error(
                        py,
                        ErrorClass::ClosedFile,
                        "the reader is closed",
                        self.path(),
                        None,
                    ));
                }
            }
            let step = if self.searching.is_some() {
                self.search(py, may_wait)?
            } else if self.looking_back.is_some() {
                self.look_back(py, may_wait)?
            } else if self.large.is_some() {
                if let Some(bytes) = self.read_large(py, form)? {
                    return Ok(Next::Record(match form {
                        Form::Bytes => bytes.into_any(),
                        Form::Views => PyMemoryView::from(&bytes)?.into_any(),
                        Form::Nothing => py.None().into_bound(py),
                    }));
                }
                if self.large.is_some() {
                    self.at_end(py, may_wait)?
                } else {
                    Step::Again
                }
            } else if !self.is_ready() {
                self.get_ready(py, may_wait)?
            } else {
                match decode_record(self.window.bytes(), &self.options.decode) {
                    Ok(Decoded::Record { .. }) => return self.next_record(py, form, may_wait),
                    Ok(Decoded::Incomplete { needed }) => self.get_more(py, needed, may_wait)?,
                    Err(fault) => self.broken(py, fault)?,
                }
            };
            match step {
                Step::Again => {}
                Step::WouldWait => return Ok(Next::WouldWait),
                Step::End => return Ok(Next::End),
            }
        }
    }

    /// Whether the window holds uncompressed bytes of a source.
    #[inline]
    fn is_ready(&self) -> bool {
        self.current.as_ref().is_some_and(Source::is_decided)
    }

    /// Opens the first source, or tells how the current one is compressed.
    fn get_ready(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        let Some(source) = &mut self.current else {
            return if self.open_next(py)? {
                Ok(Step::Again)
            } else {
                self.end_or_wait(py, may_wait)
            };
        };
        if source.try_decide(&mut self.window, false) || self.fill(py, self.window.available() + 1, WINDOW_SIZE)? {
            return Ok(Step::Again);
        }
        // An empty file, or the first bytes of one, may still become anything.
        let is_open_question =
            self.window.available() < HEADER_SIZE && detect(self.window.bytes(), true) == Detected::Plain;
        if self.options.follow && self.is_last_source(py)? || is_open_question {
            return self.at_end(py, may_wait);
        }
        if let Some(source) = &mut self.current {
            source.try_decide(&mut self.window, true);
        }
        Ok(Step::Again)
    }

    /// Opens the next source, if there is one; the one before it is closed then.
    fn open_next(&mut self, py: Python<'_>) -> PyResult<bool> {
        let next = call_method(self.sources.bind(py), intern!(py, "open_next"), ())?;
        if next.is_none() {
            return Ok(false);
        }
        self.waiting = None;
        self.change_to(py, &next)?;
        Ok(true)
    }

    /// Goes on at the beginning of a source, a row of `sources`; the one before it is closed.
    fn change_to(&mut self, py: Python<'_>, next: &Bound<'_, PyAny>) -> PyResult<()> {
        let (file, path, compression, start, index): (Py<PyAny>, Py<PyString>, String, u64, u64) = next.extract()?;
        let compression = Compression::from_name(&compression).ok_or_else(|| {
            let message = format!("compression is \"auto\", None, \"\", \"GZIP\" or \"ZLIB\", found {compression:?}");
            error(py, ErrorClass::InvalidArgument, &message, Some(&path), None)
        })?;
        let before = self.current.replace(Source::new(file, path, compression, start));
        self.source_index = index;
        self.offset = start;
        self.window.clear();
        self.after_large = false;
        self.damage = None;
        self.show_position();
        before.map_or(Ok(()), |mut source| source.close(py))
    }

    fn is_last_source(&self, py: Python<'_>) -> PyResult<bool> {
        call_method(self.sources.bind(py), intern!(py, "is_last"), ())?.extract()
    }

    /// Gets what is missing of the record at the front of the window.
    fn get_more(&mut self, py: Python<'_>, needed: u64, may_wait: bool) -> PyResult<Step> {
        let is_header = needed == HEADER_SIZE as u64;
        if !is_header && !self.options.follow && self.is_cut_off(py, needed)? {
            return self.at_end(py, may_wait);
        }
        if needed >= LARGE_SIZE + OVERHEAD as u64 {
            return self.begin_large(py, needed);
        }
        let ahead = if is_header && self.after_large {
            HEADER_SIZE
        } else {
            WINDOW_SIZE
        };
        self.after_large = is_header && self.after_large;
        if self.fill(py, needed as usize, ahead)? {
            Ok(Step::Again)
        } else {
            self.at_end(py, may_wait)
        }
    }

    /// Whether the record at the front of the window is known to reach past the end of its file.
    fn is_cut_off(&mut self, py: Python<'_>, size: u64) -> PyResult<bool> {
        let end = self.offset + size;
        match &mut self.current {
            Some(source) => Ok(source.reaches(py, end)? == Some(false)),
            None => Ok(false),
        }
    }

    /// The path of the current source, for messages.
    fn path(&self) -> Option<&Py<PyString>> {
        self.current.as_ref().map(Source::path)
    }

    /// Closes the current source. Idempotent.
    pub fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.status == Status::Closed {
            return Ok(());
        }
        self.status = Status::Closed;
        self.window = Window::new();
        self.large = None;
        match &mut self.current {
            Some(source) => source.close(py),
            None => Ok(()),
        }
    }

    /// Shows the garbage collector what Python objects are reachable from here.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&*self.sources)?;
        if let Some(share) = &self.share {
            share.traverse(visit)?;
        }
        self.current.as_ref().map_or(Ok(()), |source| source.traverse(visit))
    }
}
