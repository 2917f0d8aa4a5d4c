//! The other direction: filesystems of recordfs inside a running TensorFlow.
//!
//! This extension module is itself a plugin: TensorFlow loads it once more, gets the instance that Python has, and calls
//! the `TF_InitPlugin` that it exports. The operations call the Python adapter that was announced for the scheme.

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use super::abi::{self, PluginInfo};

mod calls;
mod operations;
mod reader;
mod region;
mod tensorflow;
mod writer;

/// An object of Python's that threads which Python does not know hand on to each other.
pub type PyShared = Arc<Py<PyAny>>;

/// A filesystem that TensorFlow knows, or is about to.
pub struct GuestFileSystem {
    /// The scheme in TensorFlow's paths, and what stands in its place in those of recordfs; both with `://`.
    scheme: Vec<u8>,
    target: Vec<u8>,
    adapter: PyShared,
}

/// What was announced and not yet initialized by TensorFlow.
static ANNOUNCED: Mutex<VecDeque<Arc<GuestFileSystem>>> = Mutex::new(VecDeque::new());

fn announced() -> MutexGuard<'static, VecDeque<Arc<GuestFileSystem>>> {
    ANNOUNCED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    calls::register(module)?;
    module.add_function(wrap_pyfunction!(announce_guest, module)?)?;
    module.add_function(wrap_pyfunction!(withdraw_guests, module)?)?;
    module.add_function(wrap_pyfunction!(tensorflow::connect_tensorflow, module)?)?;
    module.add_function(wrap_pyfunction!(writer::close_guest_writers, module)?)
}

/// Have TensorFlow's next call of ``TF_InitPlugin`` register a scheme, whose operations call the methods of ``adapter``.
///
/// The adapter gets paths in which ``target`` stands in place of ``scheme``.
#[pyfunction]
fn announce_guest(scheme: OsString, target: OsString, adapter: Py<PyAny>) {
    let prefix = |name: OsString| [name.into_vec(), b"://".to_vec()].concat();
    announced().push_back(Arc::new(GuestFileSystem {
        scheme: prefix(scheme),
        target: prefix(target),
        adapter: Arc::new(adapter),
    }));
}

/// Forget what was announced and not taken up.
#[pyfunction]
fn withdraw_guests() {
    announced().clear();
}

/// The entry point that TensorFlow looks for.
///
/// # Safety
/// `info` leads to what TensorFlow wants filled in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TF_InitPlugin(info: *mut PluginInfo) {
    let guests = announced();
    // SAFETY: as promised to this function. The host frees the tables with `free`.
    unsafe {
        let schemes = libc::calloc(guests.len().max(1), size_of::<abi::PluginOps>()).cast::<abi::PluginOps>();
        for (index, guest) in guests.iter().enumerate() {
            let bare = CString::new(&guest.scheme[..guest.scheme.len() - 3]).unwrap_or_default();
            schemes.add(index).write(abi::PluginOps {
                scheme: libc::strdup(bare.as_ptr()),
                filesystem_abi: abi::ABI,
                filesystem_api: abi::API,
                filesystem_size: size_of::<abi::FilesystemOps>(),
                filesystem: allocated(operations::FILESYSTEM),
                random_access_file_abi: abi::ABI,
                random_access_file_api: abi::API,
                random_access_file_size: size_of::<abi::RandomAccessFileOps>(),
                random_access_file: allocated(reader::TABLE),
                writable_file_abi: abi::ABI,
                writable_file_api: abi::API,
                writable_file_size: size_of::<abi::WritableFileOps>(),
                writable_file: allocated(writer::TABLE),
                memory_region_abi: abi::ABI,
                memory_region_api: abi::API,
                memory_region_size: size_of::<abi::MemoryRegionOps>(),
                memory_region: allocated(region::TABLE),
            });
        }
        info.write(PluginInfo {
            scheme_count: guests.len(),
            schemes,
            allocate: Some(libc::malloc),
            free: Some(libc::free),
        });
    }
}

/// A copy of a table in memory that `free` takes.
fn allocated<T: Copy>(table: T) -> *mut T {
    // SAFETY: memory of the right size, which is written as a whole. Without memory the process ends, as Rust's do.
    unsafe {
        let memory = libc::malloc(size_of::<T>()).cast::<T>();
        if memory.is_null() {
            std::process::abort();
        }
        memory.write(table);
        memory
    }
}
