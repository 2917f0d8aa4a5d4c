//! Where a payload does not match its checksum: telling damage from a torn record that somebody wrote on after.

use pyo3::prelude::*;
use recordfs_core::error::RecordFault;
use recordfs_core::record::{HEADER_SIZE, OVERHEAD};
use recordfs_core::scan::{Chain, ChainSearch};

use super::{Step, Stream};
use crate::scan::torn_message;
use crate::window::WINDOW_SIZE;

impl Stream {
    /// Begins to look into the record at the front of the window, which is there as a whole.
    pub(super) fn begin_look_back(&mut self, py: Python<'_>, fault: RecordFault) -> PyResult<()> {
        let claimed_end = self.offset + self.size_at_front() as u64;
        let end = match &mut self.current {
            // A size that may grow meanwhile is no limit.
            Some(source) if !self.options.follow => {
                source.reaches(py, u64::MAX)?;
                source.known_size()
            }
            _ => None,
        };
        let search = ChainSearch::new(self.options.decode, self.offset, claimed_end, end);
        self.looking_back = Some((Box::new(search), fault));
        Ok(())
    }

    /// Looks on, and when it is decided goes past the record: to the sound ones inside it, or to its claimed end.
    pub(super) fn look_back(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Step> {
        while let Some((search, fault)) = &mut self.looking_back {
            let fault = *fault;
            let from = (search.position() - self.offset) as usize;
            if let Some(bytes) = self.window.bytes().get(from..)
                && !bytes.is_empty()
            {
                match search.feed(bytes) {
                    Chain::Wanted => {}
                    Chain::Found(begin) => self.pass_over(&torn_message(fault), (begin - self.offset) as usize),
                    Chain::Absent => self.pass_by_length(fault),
                }
                continue;
            }
            // As much again as there is, so that a window that grows is not copied each time.
            let ahead = 2 * self.window.available().max(WINDOW_SIZE);
            if self.fill(py, from + 1, ahead)? {
                continue;
            }
            if self.options.follow && self.damage.is_none() && self.is_last_source(py)? {
                let step = self.end_or_wait(py, may_wait)?;
                if !matches!(step, Step::End) {
                    return Ok(step);
                }
            }
            self.pass_by_length(fault);
        }
        Ok(Step::Again)
    }

    /// Passes over the broken record at the front of the window by the length that it claims.
    fn pass_by_length(&mut self, fault: RecordFault) {
        let size = self.size_at_front();
        self.pass_over(&fault.to_string(), size);
    }

    fn pass_over(&mut self, reason: &str, size: usize) {
        self.looking_back = None;
        self.give_up(self.offset, reason.to_string(), size);
    }

    /// The size of the record at the front of the window, whose header is sound.
    fn size_at_front(&self) -> usize {
        let header = self.window.bytes().first_chunk::<HEADER_SIZE>();
        let length = header.and_then(|header| self.options.decode.decode_header(header).ok());
        length.map_or(0, |length| length as usize + OVERHEAD)
    }
}
