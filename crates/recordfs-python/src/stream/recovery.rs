//! Where the bytes of a source are wrong: raising that, or passing over it and telling what was lost.

use pyo3::prelude::*;
use recordfs_core::detect::{Detected, detect};
use recordfs_core::error::RecordFault;
use recordfs_core::format::{Format, InflateError, InflateErrorKind};
use recordfs_core::record::{HEADER_SIZE, OVERHEAD};

use super::{OnError, Status, Step, Stream};
use crate::error::{ErrorClass, error};
use crate::progress::Loss;
use crate::window::WINDOW_SIZE;

impl Stream {
    /// The record at the front of the window is wrong.
    pub(super) fn broken(&mut self, py: Python<'_>, fault: RecordFault) -> PyResult<Step> {
        if self.options.on_error == OnError::Skip {
            match fault {
                RecordFault::PayloadChecksum { .. } => self.begin_look_back(py, fault)?,
                RecordFault::TooLong { length, .. } => match self.size_in_file(py, length)? {
                    Some(size) => {
                        self.lose(Some(size), fault.to_string());
                        self.move_on(size);
                    }
                    None => self.searching = Some((self.offset, fault)),
                },
                _ => self.searching = Some((self.offset, fault)),
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

    /// Looks after a broken record for a sound header whose record can lie in the file.
    pub(super) fn search(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        let Some((begin, fault)) = self.searching else {
            return Ok(Step::Again);
        };
        // The broken record's own header may be sound: then only its place is wrong, and the search begins after it.
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
            self.give_up(begin, fault.to_string(), passed);
            // What was cut off there is not the tail.
            self.progress.losses().truncated_tail = false;
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
            if matches!(step, Step::End) {
                self.give_up(begin, fault.to_string(), 0);
                self.report_ending();
            }
            return Ok(step);
        }
        self.give_up(begin, fault.to_string(), self.window.available());
        self.at_end(py, may_wait)
    }

    /// Ends a search `count` bytes into the window: what lies before is lost.
    pub(super) fn give_up(&mut self, begin: u64, reason: String, count: usize) {
        self.searching = None;
        self.window.consume(count);
        self.move_on(count as u64);
        let length = self.offset - begin;
        self.progress.lose(Loss {
            source: self.source_index,
            offset: begin,
            length: Some(length),
            reason,
        });
    }

    /// The compressed bytes are wrong: nothing further of this source can be read.
    pub(super) fn damaged(&mut self, py: Python<'_>, damage: InflateError) -> PyResult<Step> {
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

    pub(super) fn lose(&self, length: Option<u64>, reason: String) {
        self.progress.lose(Loss {
            source: self.source_index,
            offset: self.offset,
            length,
            reason,
        });
    }

    pub(super) fn move_on(&mut self, size: u64) {
        self.offset += size;
        self.show_position();
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
}
