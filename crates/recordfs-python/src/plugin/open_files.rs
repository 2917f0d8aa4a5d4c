//! What a hosted plugin has opened: `PluginReader`, `PluginWriter`, and memory regions.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::abi::{self, Handle, code};
use super::full_path::FullPath;
use super::hosted_plugin::Plugin;
use super::status::{Outcome, with_status};
use crate::lease::new_bytes;
use crate::lock::Guarded;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PluginReader>()?;
    module.add_class::<PluginWriter>()
}

/// A read of unknown outcome begins with this much memory, and takes more only as bytes come.
const FIRST_CHUNK: usize = 1 << 20;

/// A file of the plugin's, cleaned up when nobody uses it any more.
struct OpenFile {
    plugin: Arc<Plugin>,
    handle: Handle,
    cleanup: Option<abi::Cleanup>,
}

// SAFETY: the interface lets readers be used from many threads; a writer is locked.
unsafe impl Send for OpenFile {}
// SAFETY: as above.
unsafe impl Sync for OpenFile {}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(cleanup) = self.cleanup {
            // SAFETY: the file is open, and nothing else uses it.
            unsafe { cleanup(&mut self.handle) };
        }
    }
}

/// A file of a plugin's, open for reading. Many threads may read at once.
#[pyclass(frozen, module = "recordfs._core")]
pub struct PluginReader {
    file: Mutex<Option<Arc<OpenFile>>>,
    path: FullPath,
    max_read_size: usize,
}

/// Somewhere to read to.
struct Target(*mut u8);

// SAFETY: leads into memory that the caller has to itself and keeps until the read is over.
unsafe impl Send for Target {}
// SAFETY: as above; a reference to it is no more than the address.
unsafe impl Sync for Target {}

impl Target {
    fn at(&self, offset: usize) -> *mut u8 {
        self.0.wrapping_add(offset)
    }
}

impl PluginReader {
    pub fn new(plugin: Arc<Plugin>, handle: Handle, path: FullPath, max_read_size: usize) -> Self {
        let cleanup = plugin.tables.random_access_file.cleanup;
        Self {
            file: Mutex::new(Some(Arc::new(OpenFile {
                plugin,
                handle,
                cleanup,
            }))),
            path,
            max_read_size: max_read_size.max(1),
        }
    }

    fn opened(&self, py: Python<'_>) -> PyResult<Arc<OpenFile>> {
        // The lock is not held while the exception is made: that runs other threads, which may want it with the GIL held.
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        file.ok_or_else(|| {
            self.path
                .error(py, code::FAILED_PRECONDITION, "the file has been closed")
        })
    }

    /// Reads until `length` bytes are there or the file ends.
    fn fill(&self, file: &OpenFile, offset: u64, target: &Target, length: usize) -> Outcome<usize> {
        let Some(read) = file.plugin.tables.random_access_file.read else {
            return Err((code::UNIMPLEMENTED, String::from("the plugin has no operation read")));
        };
        let mut filled = 0;
        let mut is_second_try = false;
        while filled < length {
            let wanted = self.max_read_size.min(length - filled);
            let (at, to) = (offset.saturating_add(filled as u64), target.at(filled));
            let mut count: i64 = 0;
            // SAFETY: the file is open, and `wanted` bytes from `to` on are the caller's.
            let outcome = with_status(|status| count = unsafe { read(&file.handle, at, wanted, to.cast(), status) });
            let is_at_end = matches!(outcome, Err((code::OUT_OF_RANGE, _)));
            if !is_at_end {
                outcome?;
            }
            match usize::try_from(count) {
                Ok(count) if count <= wanted => filled += count,
                // Some plugins return -1 with OUT_OF_RANGE where nothing is left.
                Err(_) if is_at_end => {}
                _ => {
                    let what = format!(
                        "the plugin broke the interface: read was asked for {wanted} bytes and returned {count}"
                    );
                    return Err((code::INTERNAL, what));
                }
            }
            if is_at_end {
                break;
            }
            if count == 0 {
                // The interface has OUT_OF_RANGE for the end. Some plugins leave it out, so their `stat` has to agree. What
                // was appended between the two is there at the second try.
                match file.plugin.length_of(self.path.encoded())? {
                    Some(size) if size > at && is_second_try => {
                        let what = format!(
                            "the plugin broke the interface: read returned 0 bytes and no error at offset {at} of a file of \
                             {size} bytes"
                        );
                        return Err((code::INTERNAL, what));
                    }
                    Some(size) if size > at => {}
                    _ => break,
                }
            }
            is_second_try = count == 0;
        }
        Ok(filled)
    }

    fn raise<T>(&self, py: Python<'_>, outcome: Outcome<T>) -> PyResult<T> {
        outcome.map_err(|(code, message)| self.path.error(py, code, &message))
    }
}

#[pymethods]
impl PluginReader {
    /// Read up to ``n`` bytes; fewer only where the file ends. Memory grows with what comes, not with ``n``.
    fn read<'py>(&self, py: Python<'py>, offset: u64, n: usize) -> PyResult<Bound<'py, PyBytes>> {
        let file = self.opened(py)?;
        if n > FIRST_CHUNK {
            return self.read_long(py, &file, offset, n);
        }
        // SAFETY: the object is new, and filled before anybody else has it.
        let mut bytes = unsafe { new_bytes(py, std::ptr::null(), n) }?;
        // SAFETY: as above.
        let target = Target(unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) }.cast());
        let outcome = py.detach(|| self.fill(&file, offset, &target, n));
        let count = self.raise(py, outcome)?;
        if count < n {
            bytes = PyBytes::new(py, &bytes.as_bytes()[..count]);
        }
        Ok(bytes)
    }

    /// Read into a writable, contiguous buffer and return how many bytes came; fewer than fit only where the file ends.
    fn read_into(&self, py: Python<'_>, offset: u64, buffer: PyBuffer<u8>) -> PyResult<usize> {
        let file = self.opened(py)?;
        if buffer.readonly() || !buffer.is_c_contiguous() {
            let message = "read_into needs a writable, contiguous buffer";
            return Err(self.path.error(py, code::INVALID_ARGUMENT, message));
        }
        let (target, length) = (Target(buffer.buf_ptr().cast()), buffer.len_bytes());
        // The export of the buffer keeps its memory in place.
        let outcome = py.detach(|| self.fill(&file, offset, &target, length));
        self.raise(py, outcome)
    }

    /// Let go of the file. Idempotent. Reads that are under way end first.
    fn close(&self, py: Python<'_>) {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(file));
    }
}

impl PluginReader {
    fn read_long<'py>(&self, py: Python<'py>, file: &OpenFile, offset: u64, n: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut bytes: Vec<u8> = Vec::new();
        let outcome = py.detach(|| {
            while bytes.len() < n {
                let start = bytes.len();
                let wanted = (n - start).min(start.max(FIRST_CHUNK));
                if bytes.try_reserve_exact(wanted).is_err() {
                    return Err((code::RESOURCE_EXHAUSTED, format!("no memory for a read of {n} bytes")));
                }
                bytes.resize(start + wanted, 0);
                let target = Target(bytes[start..].as_mut_ptr());
                let count = self.fill(file, offset.saturating_add(start as u64), &target, wanted)?;
                bytes.truncate(start + count);
                if count < wanted {
                    break;
                }
            }
            Ok(())
        });
        self.raise(py, outcome)?;
        crate::lease::bytes_from(py, &bytes)
    }
}

/// A file of a plugin's, open for writing at its end. One call at a time; others wait.
#[pyclass(frozen, module = "recordfs._core")]
pub struct PluginWriter {
    file: Guarded<Option<OpenFile>>,
    path: FullPath,
    max_append_size: usize,
}

impl PluginWriter {
    pub fn new(plugin: Arc<Plugin>, handle: Handle, path: FullPath, max_append_size: usize) -> Self {
        let cleanup = plugin.tables.writable_file.cleanup;
        Self {
            file: Guarded::new(Some(OpenFile {
                plugin,
                handle,
                cleanup,
            })),
            path,
            max_append_size: max_append_size.max(1),
        }
    }

    fn with_file<T: Send>(
        &self,
        py: Python<'_>,
        operation: impl FnOnce(&OpenFile) -> Outcome<T> + Send,
    ) -> PyResult<T> {
        let guard = self.file.lock(py)?;
        let Some(file) = &*guard else {
            return Err(self
                .path
                .error(py, code::FAILED_PRECONDITION, "the file has been closed"));
        };
        py.detach(|| operation(file))
            .map_err(|(code, message)| self.path.error(py, code, &message))
    }
}

/// Runs an operation on an open file that may be missing, which is as good as one that does nothing.
fn optional(file: &OpenFile, operation: Option<abi::OnFile>) -> Outcome<()> {
    match operation {
        // SAFETY: the file is open.
        Some(operation) => with_status(|status| unsafe { operation(&file.handle, status) }),
        None => Ok(()),
    }
}

/// Somewhere to write from.
struct Origin(*const u8);

// SAFETY: leads into memory that the caller keeps until the append is over.
unsafe impl Send for Origin {}
// SAFETY: as above.
unsafe impl Sync for Origin {}

impl Origin {
    fn at(&self, offset: usize) -> *const u8 {
        self.0.wrapping_add(offset)
    }
}

#[pymethods]
impl PluginWriter {
    /// Append all of a contiguous buffer. What the file has taken when it raises is not known.
    fn append(&self, py: Python<'_>, data: PyBuffer<u8>) -> PyResult<()> {
        let (origin, length) = (Origin(data.buf_ptr().cast_const().cast()), data.len_bytes());
        self.with_file(py, |file| {
            let Some(append) = file.plugin.tables.writable_file.append else {
                return Err((code::UNIMPLEMENTED, String::from("the plugin has no operation append")));
            };
            let mut done = 0;
            while done < length {
                let size = self.max_append_size.min(length - done);
                // SAFETY: the file is open, and the export of the buffer keeps `size` bytes there.
                with_status(|status| unsafe { append(&file.handle, origin.at(done).cast(), size, status) })?;
                done += size;
            }
            Ok(())
        })
    }

    /// Return the position that the plugin tells.
    fn tell(&self, py: Python<'_>) -> PyResult<i64> {
        self.with_file(py, |file| match file.plugin.tables.writable_file.tell {
            // SAFETY: the file is open.
            Some(tell) => with_status(|status| unsafe { tell(&file.handle, status) }),
            None => Err((code::UNIMPLEMENTED, String::from("the plugin has no operation tell"))),
        })
    }

    /// Flush, if the plugin can.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.with_file(py, |file| optional(file, file.plugin.tables.writable_file.flush))
    }

    /// Sync, or flush if the plugin has no sync.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.with_file(py, |file| {
            let table = &file.plugin.tables.writable_file;
            optional(file, table.sync.or(table.flush))
        })
    }

    /// Close and let go of the file, once: the interface allows no second close. Idempotent.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let mut guard = self.file.lock(py)?;
        let Some(file) = guard.take() else { return Ok(()) };
        drop(guard);
        py.detach(|| {
            let table = &file.plugin.tables.writable_file;
            optional(&file, table.close.or(table.flush))
        })
        .map_err(|(code, message)| self.path.error(py, code, &message))
    }
}

/// A memory region of a plugin's.
pub struct PluginRegion {
    _file: OpenFile,
    data: *const u8,
    length: usize,
}

// SAFETY: the bytes do not change, and may be looked at from any thread, until the region is cleaned up.
unsafe impl Send for PluginRegion {}
// SAFETY: as above.
unsafe impl Sync for PluginRegion {}

impl PluginRegion {
    /// Takes over a region that was opened.
    pub fn new(plugin: Arc<Plugin>, handle: Handle) -> Result<Self, &'static str> {
        let table = plugin.tables.memory_region;
        let file = OpenFile {
            cleanup: table.cleanup,
            plugin,
            handle,
        };
        let (Some(data), Some(length)) = (table.data, table.length) else {
            return Err("the plugin has memory regions without data or length");
        };
        // SAFETY: the region is open.
        let (data, length) = unsafe { (data(&file.handle), length(&file.handle)) };
        // What Rust and Python take for a length is the positive half of a word.
        let length = isize::try_from(length).map_err(|_| "the plugin's memory region is larger than memory")?;
        let length = length.unsigned_abs();
        if data.is_null() && length > 0 {
            return Err("the plugin broke the interface: a memory region of null");
        }
        Ok(Self {
            _file: file,
            data: data.cast(),
            length,
        })
    }
}

impl AsRef<[u8]> for PluginRegion {
    fn as_ref(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: the plugin says that so many bytes stand there until the region is cleaned up.
        unsafe { std::slice::from_raw_parts(self.data, self.length) }
    }
}
