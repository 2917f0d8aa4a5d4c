//! Reading a local file ahead: while a window is looked at, a thread copies the next ones out of the page cache.
//!
//! The thread calls the system and nothing else: it never wants the GIL, and raises nothing. A piece that did not come is
//! read once more in the file's own way, which finds the same end, or raises the same error, at the same place.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pyo3::prelude::*;

use crate::process::ProcessMark;
use crate::window::{WINDOW_SIZE, Window};

/// Bytes below which a thread is not worth its start.
const SMALLEST: u64 = 8 * 1024 * 1024;

/// Pieces on their way or waiting.
const PIECES: usize = 2;

/// Room before the bytes of a piece, for what is left in the window of a record that goes on in it.
const HEADROOM: usize = 128 * 1024;

/// Files that a process reads ahead at a time. Each takes a thread, a descriptor and 1 MiB, and who goes through a thousand
/// files at once has nothing from a thousand threads.
const MOST_FILES: usize = 16;

/// How long a waiting reader goes without looking for signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// A part of the file.
struct Piece {
    memory: Vec<u8>,
    offset: u64,
    /// How many bytes came: none at the end of the file, and where reading failed.
    count: usize,
}

impl Piece {
    fn read(&mut self, file: &File) {
        self.count = file.read_at(&mut self.memory[HEADROOM..], self.offset).unwrap_or(0);
    }
}

/// All pieces, in the file's order: those that came, then the one that the thread reads, then those it has not begun.
#[derive(Default)]
struct Pieces {
    done: VecDeque<Piece>,
    is_reading: bool,
    asked: VecDeque<Piece>,
    is_ended: bool,
}

struct Shared {
    file: File,
    pieces: Mutex<Pieces>,
    /// For the thread: there is a piece to read, or an end. For the reader: a piece has come.
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread does.
    fn read_what_is_asked(&self) {
        let mut pieces = self.lock();
        while !pieces.is_ended {
            let Some(mut piece) = pieces.asked.pop_front() else {
                pieces = self.changed.wait(pieces).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            pieces.is_reading = true;
            drop(pieces);
            piece.read(&self.file);
            pieces = self.lock();
            pieces.is_reading = false;
            pieces.done.push_back(piece);
            self.changed.notify_one();
        }
    }

    fn end(&self) {
        self.lock().is_ended = true;
        self.changed.notify_one();
    }

    /// Whether the thread is not at a read; if it is, waits so long for that.
    fn is_idle(&self, time: Duration) -> bool {
        let mut pieces = self.lock();
        if pieces.is_reading {
            let waited = self.changed.wait_timeout(pieces, time);
            pieces = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        !pieces.is_reading
    }

    fn ask(&self, memory: Vec<u8>, offset: u64) {
        let count = 0;
        self.lock().asked.push_back(Piece { memory, offset, count });
        self.changed.notify_one();
    }

    /// The next piece. What the thread has not begun is read here: it may be waiting for a processor. None if the time is
    /// over before it came.
    fn next(&self, time: Duration) -> Option<Piece> {
        let mut pieces = self.lock();
        if pieces.done.is_empty() && pieces.is_reading {
            let waited = self.changed.wait_timeout(pieces, time);
            pieces = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(piece) = pieces.done.pop_front() {
            return Some(piece);
        }
        if pieces.is_reading {
            return None;
        }
        let mut piece = pieces.asked.pop_front()?;
        drop(pieces);
        piece.read(&self.file);
        Some(piece)
    }
}

/// Room for one file among those that are read ahead. A forked child inherits it with the `ReadAhead` that holds it.
struct Room;

impl Room {
    fn take() -> Option<Self> {
        let more = |files| (files < MOST_FILES).then_some(files + 1);
        let taken = FILES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        // Not `then_some`: a room that is made is dropped, and that gives it back.
        taken.is_ok().then(|| Self)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        FILES.fetch_sub(1, Ordering::Relaxed);
    }
}

static FILES: AtomicUsize = AtomicUsize::new(0);

/// Starts a thread that takes no signals.
///
/// A program that blocks a signal for a while, in all of its threads, would else be interrupted by way of this one.
fn spawn_without_signals(work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    // What a thread itself has done wrong.
    const OWN: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];
    let mut blocked = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: the first set is made before it is changed and used; the calls fail only where an argument is wrong.
    unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        for signal in OWN {
            libc::sigdelset(blocked.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, blocked.as_ptr(), before.as_mut_ptr());
    }
    let thread = std::thread::Builder::new()
        .name("recordfs-ahead".to_string())
        .spawn(work);
    // SAFETY: the set was made by the call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    thread.ok()
}

/// The pieces of a file that are on their way, and the thread that reads them. Dropping it has the thread end, which it
/// does after one read at most; `end` waits for that, too.
pub struct ReadAhead {
    /// Taken only where it ends.
    parts: Option<(Arc<Shared>, JoinHandle<()>)>,
    /// Where the piece begins that is asked for next.
    end: u64,
    made_in: ProcessMark,
    _room: Room,
}

impl ReadAhead {
    /// Begins to read a file from `offset` on. None where that is not worth a thread, or there is none to be had.
    ///
    /// The descriptor is duplicated; it has to be open during this call.
    pub fn begin(descriptor: RawFd, offset: u64) -> Option<Self> {
        let room = Room::take()?;
        // SAFETY: the caller's descriptor is open during this call.
        let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let file = File::from(borrowed.try_clone_to_owned().ok()?);
        let status = file.metadata().ok()?;
        // What is no regular file may be changed by reading it.
        if !status.is_file() || status.len().saturating_sub(offset) < SMALLEST {
            return None;
        }
        if std::thread::available_parallelism().is_ok_and(|processors| processors.get() == 1) {
            return None;
        }
        let shared = Arc::new(Shared {
            file,
            pieces: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = spawn_without_signals(move || of_thread.read_what_is_asked())?;
        let mut ahead = Self {
            parts: Some((shared, thread)),
            end: offset,
            made_in: ProcessMark::current(),
            _room: room,
        };
        for _ in 0..PIECES {
            ahead.ask(None);
        }
        Some(ahead)
    }

    /// Puts the bytes from `offset` on after what is in the window, and asks for more. Returns how many came; None where
    /// nothing did, or where other bytes were asked for: then it is of no more use.
    ///
    /// # Errors
    /// Whatever a signal handler raises; the next call goes on.
    pub fn take(&mut self, py: Python<'_>, offset: u64, window: &mut Window) -> PyResult<Option<usize>> {
        // Reads by the file's own methods run Python's code, which hears of signals by itself.
        py.check_signals()?;
        if window.available() > HEADROOM || !self.made_in.is_current() {
            return Ok(None);
        }
        let Some(piece) = self.wait(py)?.filter(|piece| piece.offset == offset && piece.count > 0) else {
            return Ok(None);
        };
        let spare = window.go_on_in(piece.memory, HEADROOM, piece.count);
        self.ask(spare);
        Ok(Some(piece.count))
    }

    /// Ends the thread, and returns when it has let go of the file.
    ///
    /// # Errors
    /// Whatever a signal handler raises while the last read goes on; the thread then ends after that.
    pub fn end(mut self, py: Python<'_>) -> PyResult<()> {
        if !self.made_in.is_current() {
            return Ok(());
        }
        if let Some((shared, _)) = &self.parts {
            shared.end();
            while !py.detach(|| shared.is_idle(SIGNAL_INTERVAL)) {
                py.check_signals()?;
            }
        }
        if let Some((_, thread)) = self.parts.take() {
            // It has nothing left to do, and panics nowhere.
            let _ = py.detach(|| thread.join());
        }
        Ok(())
    }

    fn wait(&self, py: Python<'_>) -> PyResult<Option<Piece>> {
        let Some((shared, _)) = &self.parts else {
            return Ok(None);
        };
        loop {
            if let Some(piece) = py.detach(|| shared.next(SIGNAL_INTERVAL)) {
                return Ok(Some(piece));
            }
            py.check_signals()?;
        }
    }

    /// Asks for the next piece, in memory that is given back if it is of the right size.
    fn ask(&mut self, spare: Option<Vec<u8>>) {
        let size = HEADROOM + WINDOW_SIZE;
        let memory = spare.filter(|memory| memory.len() == size);
        if let Some((shared, _)) = &self.parts {
            shared.ask(memory.unwrap_or_else(|| vec![0; size]), self.end);
            self.end += WINDOW_SIZE as u64;
        }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        let Some((shared, thread)) = self.parts.take() else {
            return;
        };
        if self.made_in.is_current() {
            // Not waited for: a read may take long, and whoever drops this may hold the GIL.
            shared.end();
            return;
        }
        // The thread stayed with the parent, maybe while it held the lock, which is therefore left alone.
        // SAFETY: nobody in this process uses the descriptor: the thread is not here, and the file is forgotten.
        drop(unsafe { OwnedFd::from_raw_fd(shared.file.as_raw_fd()) });
        std::mem::forget((shared, thread));
    }
}
