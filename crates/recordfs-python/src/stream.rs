//! The state of a reader: records out of one source after the other.
//!
//! Nothing is forgotten when a read raises: what was read stays in the window or in the unfinished large record, and the
//! next call goes on there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use recordfs_core::detect::{Detected, detect};
use recordfs_core::error::RecordFault;
use recordfs_core::inflate::{EndOfInput, Format, InflateError, InflateErrorKind};
use recordfs_core::record::{DecodeOptions, Decoded, FOOTER_SIZE, HEADER_SIZE, OVERHEAD, decode_record};

use crate::error::{ErrorClass, error};
use crate::large::LargeRecord;
use crate::progress::{Loss, Progress};
use crate::source::{Compression, ReadError, Source};
use crate::window::{WINDOW_SIZE, Window};

/// From this payload size on a record is read straight into its bytes object.
const LARGE_SIZE: u64 = 128 * 1024;

/// How long a follower waits between two looks at a file that does not grow: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

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
}

/// How records are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As bytes objects.
    Bytes,
    /// As read-only memoryviews.
    Views,
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
    sources: Py<PyAny>,
    options: ReadOptions,
    progress: Arc<Progress>,
    status: Status,
    current: Option<Source>,
    source_index: u64,
    /// Where the record at the front of the window begins.
    offset: u64,
    window: Window,
    large: Option<LargeRecord>,
    /// Whether the last record was large: then the next one probably is, and reading far ahead would copy it.
    after_large: bool,
    /// The broken record behind which a sound one is being looked for.
    searching: Option<(u64, RecordFault)>,
    /// What is wrong with the compressed bytes of the current source.
    damage: Option<InflateError>,
    /// Since when a follower has waited, and how long it pauses.
    waiting: Option<(Instant, Duration)>,
}

impl Stream {
    /// A reader at the beginning of the first source.
    pub fn new(sources: Py<PyAny>, options: ReadOptions, progress: Arc<Progress>) -> Self {
        Self {
            sources,
            options,
            progress,
            status: Status::Open,
            current: None,
            source_index: 0,
            offset: 0,
            window: Window::new(),
            large: None,
            after_large: false,
            searching: None,
            damage: None,
            waiting: None,
        }
    }

    /// The next record.
    #[inline]
    pub fn next<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        if self.status != Status::Open || self.large.is_some() || self.searching.is_some() || self.progress.is_stopped()
        {
            return self.next_slowly(py, form, may_wait);
        }
        // Sound records that lie in the window as a whole, which is nearly all of them, need nothing else.
        match decode_record(self.window.bytes(), &self.options.decode) {
            Ok(Decoded::Record { payload, size }) if self.is_ready() => {
                let record = match form {
                    Form::Bytes => new_bytes(py, &self.window.bytes()[payload.clone()])?.into_any(),
                    Form::Views => self.window.view(py, payload.start, payload.len())?.into_any(),
                };
                self.pass(payload.len(), size);
                Ok(Next::Record(record))
            }
            _ => self.next_slowly(py, form, may_wait),
        }
    }

    #[cold]
    fn next_slowly<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        loop {
            match self.status {
                Status::Open if !self.progress.is_stopped() => {}
                Status::Open | Status::Ended => return Ok(Next::End),
                Status::Closed => {
                    let path = self.current.as_ref().map(Source::path);
                    return Err(error(py, ErrorClass::ClosedFile, "the reader is closed", path, None));
                }
            }
            let step = if self.searching.is_some() {
                self.search(py, may_wait)?
            } else if self.large.is_some() {
                if let Some(bytes) = self.read_large(py)? {
                    return Ok(Next::Record(match form {
                        Form::Bytes => bytes.into_any(),
                        Form::Views => PyMemoryView::from(&bytes)?.into_any(),
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
                    Ok(Decoded::Record { .. }) => return self.next(py, form, may_wait),
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

    /// Goes past a record at the front of the window.
    #[inline]
    fn pass(&mut self, payload: usize, size: usize) {
        self.window.consume(size);
        self.offset += size as u64;
        self.progress.count(payload as u64, self.offset);
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
        if self.options.follow && self.is_last_source(py)? {
            let step = self.end_or_wait(py, may_wait)?;
            if !matches!(step, Step::End) {
                return Ok(step);
            }
        }
        if let Some(source) = &mut self.current {
            // An empty file may still become anything.
            if self.window.available() == 0 {
                return self.source_ended(py, may_wait);
            }
            source.try_decide(&mut self.window, true);
        }
        Ok(Step::Again)
    }

    /// Opens the next source, if there is one; the one before it is closed then.
    fn open_next(&mut self, py: Python<'_>) -> PyResult<bool> {
        let next = self.sources.bind(py).call_method0(intern!(py, "open_next"))?;
        if next.is_none() {
            return Ok(false);
        }
        let (file, path, compression, start, index): (Py<PyAny>, String, String, u64, u64) = next.extract()?;
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
        self.waiting = None;
        self.progress.set_position(index, start);
        match before {
            Some(source) => source.close(py).map(|()| true),
            None => Ok(true),
        }
    }

    fn is_last_source(&self, py: Python<'_>) -> PyResult<bool> {
        self.sources.bind(py).call_method0(intern!(py, "is_last"))?.extract()
    }

    /// Reads until the window holds `size` bytes, but not much more than `ahead`. Returns false if there are no more
    /// bytes now.
    fn fill(&mut self, py: Python<'_>, size: usize, ahead: usize) -> PyResult<bool> {
        while self.window.available() < size {
            let Some(source) = &mut self.current else {
                return Ok(false);
            };
            let limit = size.max(ahead) - self.window.available();
            let damage = &mut self.damage;
            let count = self
                .window
                .fill_with(size, limit, |place| match source.read(py, place) {
                    Ok(count) => Ok(count),
                    Err(ReadError::Raised(error)) => Err(error),
                    Err(ReadError::Damaged(error)) => {
                        *damage = Some(error);
                        Ok(0)
                    }
                })?;
            if count == 0 {
                return Ok(false);
            }
            self.grew();
        }
        Ok(true)
    }

    /// There were new bytes.
    fn grew(&mut self) {
        self.waiting = None;
        self.progress.losses().truncated_tail = false;
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

    fn begin_large(&mut self, py: Python<'_>, size: u64) -> PyResult<Step> {
        let length = size - OVERHEAD as u64;
        // What is known to be in the file can be allocated at once; what a header claims is believed piece by piece.
        let is_there = match &mut self.current {
            Some(source) if !self.options.follow => source.reaches(py, self.offset + size)? == Some(true),
            _ => false,
        };
        let mut large = LargeRecord::new(py, length, is_there)?;
        let payload = &self.window.bytes()[HEADER_SIZE..];
        let count = payload.len().min(large.missing());
        large.take(py, &payload[..count], &self.options.decode)?;
        self.window.consume(HEADER_SIZE + count);
        self.large = Some(large);
        Ok(Step::Again)
    }

    /// Reads on in the large record. None if there are no more bytes now, or if it is broken and was dealt with.
    fn read_large<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        while let (Some(large), Some(source)) = (&mut self.large, &mut self.current) {
            if large.missing() == 0 {
                break;
            }
            match large.read_from(py, source, &self.options.decode) {
                Ok(0) => return Ok(None),
                Ok(_) => self.grew(),
                Err(ReadError::Raised(error)) => return Err(error),
                Err(ReadError::Damaged(damage)) => {
                    self.damage = Some(damage);
                    return Ok(None);
                }
            }
        }
        // With the footer comes the next header, in the same read.
        if !self.fill(py, FOOTER_SIZE, FOOTER_SIZE + HEADER_SIZE)? {
            return Ok(None);
        }
        let (Some(large), Some(footer)) = (self.large.take(), self.window.bytes().first_chunk::<FOOTER_SIZE>()) else {
            return Ok(None);
        };
        let size = large.length() + OVERHEAD as u64;
        if let Err(fault) = large.check(&self.options.decode, *footer) {
            self.window.consume(FOOTER_SIZE);
            self.broken_at_known_size(py, fault, size)?;
            return Ok(None);
        }
        let payload = large.length();
        self.window.consume(FOOTER_SIZE);
        self.offset += size;
        self.after_large = true;
        self.progress.count(payload, self.offset);
        Ok(Some(large.into_bytes(py)))
    }

    /// The source gives no more bytes now.
    fn at_end(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        if let Some(damage) = self.damage {
            return self.damaged(py, damage);
        }
        if self.options.follow && self.is_last_source(py)? {
            let step = self.end_or_wait(py, may_wait)?;
            if matches!(step, Step::End) {
                self.progress.losses().truncated_tail = self.has_rest();
            }
            return Ok(step);
        }
        if self.has_rest() {
            let fault = self.truncation(py)?;
            return self.truncated(py, fault, may_wait);
        }
        self.source_ended(py, may_wait)
    }

    /// Whether a part of a record is left.
    fn has_rest(&self) -> bool {
        self.window.available() > 0 || self.large.is_some()
    }

    /// What is missing of the record that the source's end cuts off.
    fn truncation(&mut self, py: Python<'_>) -> PyResult<RecordFault> {
        if let Some(large) = &self.large {
            let held = (HEADER_SIZE + self.window.available()) as u64;
            let present = large.length() - large.missing() as u64 + held;
            return Ok(RecordFault::TruncatedBody {
                present,
                size: large.length() + OVERHEAD as u64,
            });
        }
        let mut present = self.window.available() as u64;
        Ok(match decode_record(self.window.bytes(), &self.options.decode) {
            Ok(Decoded::Incomplete { needed }) if needed > HEADER_SIZE as u64 => {
                if self.is_cut_off(py, needed)?
                    && let Some(size) = self.current.as_ref().and_then(Source::known_size)
                {
                    present = size.saturating_sub(self.offset);
                }
                RecordFault::TruncatedBody { present, size: needed }
            }
            _ => RecordFault::TruncatedHeader { present },
        })
    }

    fn truncated(&mut self, py: Python<'_>, fault: RecordFault, may_wait: bool) -> PyResult<Step> {
        self.progress.losses().truncated_tail = self.is_last_source(py)?;
        match self.options.on_error {
            OnError::Raise => Err(error(
                py,
                ErrorClass::TruncatedRecord,
                &fault.to_string(),
                self.path(),
                Some(self.offset),
            )),
            OnError::Stop => {
                self.status = Status::Ended;
                self.lose(None, fault.to_string());
                Ok(Step::End)
            }
            OnError::Skip if self.large.is_none() => {
                self.searching = Some((self.offset, fault));
                Ok(Step::Again)
            }
            OnError::Skip => {
                if let RecordFault::TruncatedBody { present, .. } = fault {
                    self.lose(Some(present), fault.to_string());
                    self.move_on(present);
                }
                self.large = None;
                self.window.clear();
                self.source_ended(py, may_wait)
            }
        }
    }

    /// Every byte of the source has been dealt with.
    fn source_ended(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        let Some(source) = &mut self.current else {
            return Ok(Step::End);
        };
        if source.starts_beyond_end(py)? {
            let message = "the place to start at lies beyond the end of the file";
            return Err(error(
                py,
                ErrorClass::OutOfRange,
                message,
                Some(source.path()),
                Some(self.offset),
            ));
        }
        match source.end_of_input() {
            EndOfInput::Complete => {}
            EndOfInput::Unfinished => self.progress.losses().unfinished_stream = true,
            EndOfInput::PartialTrailer { found, expected } => {
                let message =
                    format!("the compressed stream ends after {found} of the {expected} bytes of its trailer");
                if self.options.on_error == OnError::Raise {
                    return Err(error(
                        py,
                        ErrorClass::DataLoss,
                        &message,
                        self.path(),
                        Some(self.offset),
                    ));
                }
                self.lose(None, message);
                if self.options.on_error == OnError::Stop {
                    self.status = Status::Ended;
                    return Ok(Step::End);
                }
            }
        }
        if self.open_next(py)? {
            return Ok(Step::Again);
        }
        self.end_or_wait(py, may_wait)
    }

    /// There is nothing more: ends, or, if the reader follows, pauses before another look.
    fn end_or_wait(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        if !self.options.follow || self.progress.is_stopped() {
            return Ok(Step::End);
        }
        if !may_wait {
            return Ok(Step::WouldWait);
        }
        let now = Instant::now();
        let (since, pause) = *self.waiting.get_or_insert((now, FIRST_PAUSE));
        let mut pause = pause;
        if let Some(timeout) = self.options.follow_timeout {
            let left = timeout.saturating_sub(now.duration_since(since));
            if left.is_zero() {
                self.waiting = None;
                return Ok(Step::End);
            }
            pause = pause.min(left);
        }
        let progress = &self.progress;
        py.detach(|| progress.pause(pause));
        py.check_signals()?;
        self.waiting = Some((since, (pause * 2).min(LONGEST_PAUSE)));
        Ok(Step::Again)
    }

    /// The record at the front of the window is wrong.
    fn broken(&mut self, py: Python<'_>, fault: RecordFault) -> PyResult<Step> {
        if self.options.on_error == OnError::Skip {
            let size = match fault {
                RecordFault::PayloadChecksum { .. } => self.size_at_front(),
                RecordFault::TooLong { length, .. } => self.size_in_file(py, length)?,
                _ => None,
            };
            match size {
                Some(size) => self.broken_at_known_size(py, fault, size)?,
                None => self.searching = Some((self.offset, fault)),
            }
            return Ok(Step::Again);
        }
        self.corrupt(py, &self.explain(fault))?;
        Ok(Step::End)
    }

    /// Raises what is wrong, or reports it and ends.
    fn corrupt(&mut self, py: Python<'_>, message: &str) -> PyResult<()> {
        self.status = Status::Ended;
        if self.options.on_error == OnError::Raise {
            return Err(error(
                py,
                ErrorClass::CorruptRecord,
                message,
                self.path(),
                Some(self.offset),
            ));
        }
        self.lose(None, message.to_string());
        Ok(())
    }

    /// A record is wrong, and the next one begins `size` bytes behind its beginning.
    fn broken_at_known_size(&mut self, py: Python<'_>, fault: RecordFault, size: u64) -> PyResult<()> {
        if self.options.on_error != OnError::Skip {
            return self.corrupt(py, &fault.to_string());
        }
        self.lose(Some(size), fault.to_string());
        self.move_on(size);
        Ok(())
    }

    /// The size of the whole record at the front of the window; goes past it.
    fn size_at_front(&mut self) -> Option<u64> {
        let length = self
            .options
            .decode
            .decode_header(self.window.bytes().first_chunk()?)
            .ok()?;
        let size = length + OVERHEAD as u64;
        self.window.consume(size as usize);
        Some(size)
    }

    /// The size of a record that is longer than allowed, if its file is known to hold it; goes past it.
    fn size_in_file(&mut self, py: Python<'_>, length: u64) -> PyResult<Option<u64>> {
        let (Some(source), Some(end)) = (
            &mut self.current,
            length
                .checked_add(OVERHEAD as u64)
                .and_then(|size| size.checked_add(self.offset)),
        ) else {
            return Ok(None);
        };
        if source.reaches(py, end)? != Some(true) {
            return Ok(None);
        }
        let size = end - self.offset;
        if size <= self.window.available() as u64 {
            self.window.consume(size as usize);
        } else {
            self.window.clear();
            source.seek(end);
        }
        Ok(Some(size))
    }

    /// Looks behind a broken record for a sound header whose record can lie in the file.
    fn search(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        let Some((begin, fault)) = self.searching else {
            return Ok(Step::Again);
        };
        // The broken record's own header may be sound: then only its place is wrong, and the search begins behind it.
        let mut passed = usize::from(self.offset == begin);
        while let Some((index, length)) = self
            .window
            .bytes()
            .get(passed..)
            .and_then(|bytes| self.options.decode.find_header(bytes))
        {
            passed += index;
            let end = self.offset + passed as u64 + length + OVERHEAD as u64;
            if let Some(source) = &mut self.current
                && source.reaches(py, end)? == Some(false)
            {
                passed += 1;
                continue;
            }
            self.give_up(begin, fault, passed);
            return Ok(Step::Again);
        }
        // The last bytes may be the beginning of a header.
        let hopeless = (self.window.available() + 1)
            .saturating_sub(HEADER_SIZE)
            .max(passed.min(self.window.available()));
        self.window.consume(hopeless);
        self.move_on(hopeless as u64);
        if self.fill(py, HEADER_SIZE.max(self.window.available() + 1), WINDOW_SIZE)? {
            return Ok(Step::Again);
        }
        if self.options.follow && self.damage.is_none() && self.is_last_source(py)? {
            let step = self.end_or_wait(py, may_wait)?;
            if !matches!(step, Step::End) {
                return Ok(step);
            }
        }
        self.give_up(begin, fault, self.window.available());
        self.at_end(py, may_wait)
    }

    /// Ends a search `count` bytes into the window: what lies before is lost.
    fn give_up(&mut self, begin: u64, fault: RecordFault, count: usize) {
        self.searching = None;
        self.window.consume(count);
        self.move_on(count as u64);
        let length = self.offset - begin;
        self.progress.lose(Loss {
            source: self.source_index,
            offset: begin,
            length: Some(length),
            reason: fault.to_string(),
        });
    }

    /// The compressed bytes are wrong: nothing further of this source can be read.
    fn damaged(&mut self, py: Python<'_>, damage: InflateError) -> PyResult<Step> {
        if self.options.on_error == OnError::Raise {
            let class = match damage.kind {
                InflateErrorKind::BadChecksum { .. } | InflateErrorKind::BadLength { .. } => ErrorClass::DataLoss,
                _ => ErrorClass::CorruptRecord,
            };
            self.status = Status::Ended;
            return Err(error(py, class, &damage.to_string(), self.path(), Some(self.offset)));
        }
        self.lose(None, damage.to_string());
        self.large = None;
        self.window.clear();
        if self.options.on_error == OnError::Skip && self.open_next(py)? {
            return Ok(Step::Again);
        }
        self.status = Status::Ended;
        Ok(Step::End)
    }

    fn lose(&self, length: Option<u64>, reason: String) {
        self.progress.lose(Loss {
            source: self.source_index,
            offset: self.offset,
            length,
            reason,
        });
    }

    fn move_on(&mut self, size: u64) {
        self.offset += size;
        self.progress.set_position(self.source_index, self.offset);
    }

    fn path(&self) -> Option<&str> {
        self.current.as_ref().map(Source::path)
    }

    /// A fault in words, with a hint where the first bytes are no record at all.
    fn explain(&self, fault: RecordFault) -> String {
        if self.offset > 0 || !matches!(fault, RecordFault::LengthChecksum { .. }) {
            return fault.to_string();
        }
        match detect(self.window.bytes(), true) {
            Detected::Compressed(Format::Gzip) => format!("{fault}; this looks like a GZIP file"),
            Detected::Compressed(Format::Zlib) => format!("{fault}; this looks like a ZLIB file"),
            _ => format!("{fault}; this is perhaps no TFRecord file"),
        }
    }

    /// Closes the current source. Idempotent.
    pub fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        self.status = Status::Closed;
        self.window = Window::new();
        self.large = None;
        match self.current.take() {
            Some(source) => source.close(py),
            None => Ok(()),
        }
    }
}

/// A bytes object with these bytes; MemoryError if there is no memory.
#[inline]
fn new_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: the pointer and the length are those of a slice; the result is a new bytes object or null.
    unsafe {
        let object = pyo3::ffi::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), bytes.len() as isize);
        Ok(Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked())
    }
}
