//! Where the bytes of a source end: between records, inside one, or for the time being.

use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;
use recordfs_core::error::RecordFault;
use recordfs_core::inflate::EndOfInput;
use recordfs_core::record::{Decoded, HEADER_SIZE, OVERHEAD, decode_record};
use recordfs_core::scan::{Chain, ChainSearch};

use super::{OnError, Status, Step, Stream};
use crate::error::{ErrorClass, error};
use crate::python_call::call_method;
use crate::source::Source;

/// How long a follower waits between two looks at a file that does not grow: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a follower goes without looking for signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);

impl Stream {
    /// The source gives no more bytes now.
    pub(super) fn at_end(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        if let Some(damage) = self.damage {
            return self.damaged(py, damage);
        }
        if self.options.follow && self.is_last_source(py)? {
            let waited = self.waiting;
            let step = self.end_or_wait(py, may_wait)?;
            if matches!(step, Step::End) {
                if self.options.on_error == OnError::Skip && !self.progress.is_stopped() && self.was_written_on(py) {
                    // What is there is handed out; only another byte begins another wait.
                    self.waiting = waited;
                    let fault = self.truncation(py)?;
                    return self.truncated(py, fault);
                }
                self.report_ending();
            }
            return Ok(step);
        }
        if let Some(source) = &mut self.current
            && source.starts_beyond_end(py)?
        {
            let message = "the place to start at lies beyond the end of the file";
            let (path, offset) = (Some(source.path()), Some(self.offset));
            return Err(error(py, ErrorClass::OutOfRange, message, path, offset));
        }
        if self.has_rest() {
            let fault = self.truncation(py)?;
            return self.truncated(py, fault);
        }
        self.source_ended(py, may_wait)
    }

    /// Reports how the current source ends for now.
    pub(super) fn report_ending(&self) {
        let mut losses = self.progress.losses();
        losses.truncated_tail = self.has_rest();
        losses.unfinished_stream = self.unfinished_before || (!self.has_rest() && self.is_unfinished());
    }

    fn is_unfinished(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|source| source.end_of_input() == EndOfInput::Unfinished)
    }

    /// Whether a part of a record is left.
    fn has_rest(&self) -> bool {
        self.window.available() > 0 || self.large.is_some()
    }

    /// Whether sound records lead through what is there of a record that is not whole, up to the end: then it was torn
    /// and written on after, and the rest of it will not come.
    fn was_written_on(&self, py: Python<'_>) -> bool {
        let payload = match &self.large {
            Some(large) => large.present(py),
            None => self.window.bytes().get(HEADER_SIZE..).unwrap_or_default(),
        };
        let begin = self.offset + HEADER_SIZE as u64;
        let end = begin + payload.len() as u64;
        let mut search = ChainSearch::new(self.options.decode, self.offset, end, Some(end));
        loop {
            let from = (search.position() - begin) as usize;
            let Some(rest) = payload.get(from..).filter(|rest| !rest.is_empty()) else {
                return false;
            };
            match search.feed(rest) {
                Chain::Wanted => {}
                outcome => return matches!(outcome, Chain::Found(_)),
            }
        }
    }

    /// How many bytes there are of a record that is not whole.
    pub(super) fn unread(&self) -> u64 {
        let held = self.window.available() as u64;
        match &self.large {
            Some(large) => HEADER_SIZE as u64 + large.length() - large.missing() as u64 + held,
            None => held,
        }
    }

    /// What is missing of the record that the source's end cuts off.
    fn truncation(&mut self, py: Python<'_>) -> PyResult<RecordFault> {
        let mut present = self.unread();
        if let Some(large) = &self.large {
            return Ok(RecordFault::TruncatedBody {
                present,
                size: large.length() + OVERHEAD as u64,
            });
        }
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

    fn truncated(&mut self, py: Python<'_>, fault: RecordFault) -> PyResult<Step> {
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
            OnError::Skip => {
                // What is there of it may hold sound records: somebody may have written on after a torn one.
                if let Some(large) = self.large.take() {
                    self.put_back(py, &large);
                }
                self.searching = Some((self.offset, fault));
                Ok(Step::Again)
            }
        }
    }

    /// Every byte of the source has been dealt with.
    pub(super) fn source_ended(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        let Some(source) = &self.current else {
            return Ok(Step::End);
        };
        if let EndOfInput::PartialTrailer { found, expected } = source.end_of_input() {
            let message = format!("the compressed stream ends after {found} of the {expected} bytes of its trailer");
            match self.options.on_error {
                OnError::Raise => {
                    return Err(error(
                        py,
                        ErrorClass::DataLoss,
                        &message,
                        self.path(),
                        Some(self.offset),
                    ));
                }
                OnError::Stop => {
                    self.status = Status::Ended;
                    self.lose(None, message);
                    return Ok(Step::End);
                }
                OnError::Skip => self.lose(None, message),
            }
        }
        let unfinished = self.unfinished_before || self.is_unfinished();
        self.progress.losses().unfinished_stream = unfinished;
        if self.open_next(py)? {
            self.unfinished_before = unfinished;
            return Ok(Step::Again);
        }
        self.end_or_wait(py, may_wait)
    }

    /// There is nothing more: ends, or, if the reader follows, pauses before another look.
    pub(super) fn end_or_wait(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
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
                let waited = self.waiting.take();
                let sources = self.sources.bind(py);
                if call_method(sources, intern!(py, "check_ending"), ())?.extract()? {
                    // Only a byte of what stands there now begins another wait.
                    self.waiting = waited;
                    return Ok(self.begin_again(py, may_wait)?.unwrap_or(Step::End));
                }
                return Ok(Step::End);
            }
            pause = pause.min(left);
        }
        self.pause(py, pause)?;
        self.waiting = Some((since, (pause * 2).min(LONGEST_PAUSE)));
        Ok(Step::Again)
    }

    /// Waits so long, or until the reader is stopped or a signal's handler raises.
    fn pause(&self, py: Python<'_>, time: Duration) -> PyResult<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.progress.is_stopped() {
                return Ok(());
            }
            let progress = &self.progress;
            py.detach(|| progress.pause(left.min(SIGNAL_INTERVAL)));
            py.check_signals()?;
        }
    }
}
