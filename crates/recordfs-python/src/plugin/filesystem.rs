//! `PluginFileSystem`: the operations of one scheme of a hosted plugin, as methods that Python calls.
//!
//! Every operation gets the path that the plugin's own `translate_name` makes of it, and runs with the GIL released. An
//! operation that the plugin lacks is UnimplementedError here; what stands in for it is decided in `recordfs.plugins`.

use std::ffi::{OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::abi::{self, FileStatistics, Handle, code};
use super::full_path::FullPath;
use super::hosted_plugin::{Plugin, Text};
use super::library::{self, LoadError, Tables};
use super::open_files::{PluginReader, PluginRegion, PluginWriter};
use super::status::{Outcome, broke, lacking, with_status};
use crate::error::from_status;
use crate::region::ReadOnlyMemoryRegion;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PluginFileSystem>()?;
    module.add_function(wrap_pyfunction!(load_plugin_library, module)?)
}

/// Load a plugin's library, whose file has these contents, and return a PluginFileSystem or an exception for each of its schemes.
///
/// The library's code runs, in this process, and stays in it. Every call loads another copy.
#[pyfunction]
fn load_plugin_library<'py>(py: Python<'py>, path: PathBuf, contents: Vec<u8>) -> PyResult<Bound<'py, PyList>> {
    let shown = path.as_os_str().into_pyobject(py)?;
    let raise = |error: LoadError| from_status(py, error.code, &error.message, Some(shown.as_any()));
    let schemes = py.detach(|| library::load(&path, contents)).map_err(raise)?;
    let found = PyList::empty(py);
    for scheme in schemes {
        match scheme
            .map_err(raise)
            .and_then(|tables| PluginFileSystem::initialize(py, tables, &shown))
        {
            Ok(file_system) => found.append(Bound::new(py, file_system)?)?,
            Err(error) => found.append(error.into_value(py))?,
        }
    }
    Ok(found)
}

/// One scheme of a plugin that this process has loaded.
///
/// Every method takes full paths and raises the error for the status that the plugin set, with that path. Safe to use
/// from many threads.
#[pyclass(frozen, module = "recordfs._core")]
pub struct PluginFileSystem {
    plugin: Arc<Plugin>,
}

impl PluginFileSystem {
    fn initialize(py: Python<'_>, tables: Tables, library: &Bound<'_, PyString>) -> PyResult<Self> {
        let init = tables.filesystem.init;
        let outcome = py.detach(|| {
            let Some(init) = init else { return lacking("init") };
            let mut opened = OpenHandle::empty();
            // SAFETY: the handle is zeroed memory of the host's, as the interface says.
            with_status(|status| unsafe { init(&mut opened.0, status) })?;
            Ok(opened)
        });
        match outcome {
            Ok(OpenHandle(handle)) => Ok(Self {
                plugin: Arc::new(Plugin { tables, handle }),
            }),
            Err((code, message)) => {
                let message = format!("the plugin's init for {}:// failed: {message}", tables.scheme);
                Err(from_status(py, code, &message, Some(library.as_any())))
            }
        }
    }

    /// Runs an operation on one path.
    fn on_path<T: Send>(
        &self,
        py: Python<'_>,
        path: &FullPath,
        operation: impl FnOnce(&Plugin, &Handle, *const c_char) -> Outcome<T> + Send,
    ) -> PyResult<T> {
        let plugin = &*self.plugin;
        let encoded = path.encoded();
        py.detach(|| {
            let translated = plugin
                .translate(encoded)
                .ok_or_else(|| broke("translate_name returned no name"))?;
            operation(plugin, &plugin.handle, translated.as_ptr())
        })
        .map_err(|(code, message)| path.error(py, code, &message))
    }

    /// Runs an operation that tells nothing but how it went.
    fn on_path_only(
        &self,
        py: Python<'_>,
        path: &FullPath,
        name: &str,
        find: impl FnOnce(&abi::FilesystemOps) -> Option<abi::OnPath> + Send,
    ) -> PyResult<()> {
        self.on_path(py, path, |plugin, handle, translated| {
            match find(&plugin.tables.filesystem) {
                // SAFETY: the filesystem is initialized, and the string ends with a zero.
                Some(operation) => with_status(|status| unsafe { operation(handle, translated, status) }),
                None => lacking(name),
            }
        })
    }

    fn on_paths(
        &self,
        py: Python<'_>,
        (source, target): (&FullPath, &FullPath),
        name: &str,
        find: impl FnOnce(&abi::FilesystemOps) -> Option<abi::OnPaths> + Send,
    ) -> PyResult<()> {
        let target = target.encoded();
        self.on_path(py, source, |plugin, handle, translated| {
            let Some(operation) = find(&plugin.tables.filesystem) else {
                return lacking(name);
            };
            let target = plugin
                .translate(target)
                .ok_or_else(|| broke("translate_name returned no name"))?;
            // SAFETY: as above.
            with_status(|status| unsafe { operation(handle, translated, target.as_ptr(), status) })
        })
    }

    fn open(
        &self,
        py: Python<'_>,
        path: &FullPath,
        name: &str,
        find: impl FnOnce(&abi::FilesystemOps) -> Option<abi::Open> + Send,
    ) -> PyResult<OpenHandle> {
        self.on_path(py, path, |plugin, handle, translated| {
            let Some(operation) = find(&plugin.tables.filesystem) else {
                return lacking(name);
            };
            let mut opened = OpenHandle::empty();
            // SAFETY: the filesystem is initialized, the string ends with a zero, and the handle is memory of the host's.
            with_status(|status| unsafe { operation(handle, translated, &mut opened.0, status) })?;
            Ok(opened)
        })
    }
}

/// A handle on its way out of the closure that opened it.
pub struct OpenHandle(pub Handle);

// SAFETY: the interface lets a file be used by another thread than the one that opened it.
unsafe impl Send for OpenHandle {}

impl OpenHandle {
    fn empty() -> Self {
        Self(Handle {
            plugin: std::ptr::null_mut(),
        })
    }
}

/// Text of a plugin's as Python has names of files.
fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    Ok(OsStr::from_bytes(bytes).into_pyobject(py)?)
}

/// Names of a listing, taken from the plugin and freed.
fn take_names(plugin: &Plugin, names: *mut *mut c_char, count: c_int) -> Outcome<Vec<Text>> {
    let Ok(count) = usize::try_from(count) else {
        return Err(broke(format!("get_children returned {count} and no error")));
    };
    if names.is_null() && count > 0 {
        return Err(broke(format!("get_children returned {count} names at a null pointer")));
    }
    // It grows with the names that are there: the count is only what the plugin says.
    let mut taken = Vec::new();
    for index in 0..count {
        // SAFETY: the plugin says that so many names stand there.
        let name = plugin.take_text(unsafe { *names.add(index) });
        taken.push(name.ok_or_else(|| broke("get_children returned a null name"))?);
    }
    // SAFETY: the array is the plugin's, for the host to free; null too.
    unsafe { (plugin.tables.free)(names.cast()) };
    Ok(taken)
}

#[pymethods]
impl PluginFileSystem {
    /// The scheme that the plugin serves.
    #[getter]
    fn scheme(&self) -> &str {
        &self.plugin.tables.scheme
    }

    /// The names of the operations that the plugin has; those of open files with the kind of file in front.
    #[getter]
    fn operations(&self) -> Vec<&'static str> {
        let Tables {
            filesystem,
            random_access_file,
            writable_file,
            ..
        } = &self.plugin.tables;
        [
            ("new_random_access_file", filesystem.new_random_access_file.is_some()),
            ("new_writable_file", filesystem.new_writable_file.is_some()),
            ("new_appendable_file", filesystem.new_appendable_file.is_some()),
            (
                "new_read_only_memory_region_from_file",
                filesystem.new_read_only_memory_region_from_file.is_some(),
            ),
            ("create_dir", filesystem.create_dir.is_some()),
            ("recursively_create_dir", filesystem.recursively_create_dir.is_some()),
            ("delete_file", filesystem.delete_file.is_some()),
            ("delete_dir", filesystem.delete_dir.is_some()),
            ("delete_recursively", filesystem.delete_recursively.is_some()),
            ("rename_file", filesystem.rename_file.is_some()),
            ("copy_file", filesystem.copy_file.is_some()),
            ("path_exists", filesystem.path_exists.is_some()),
            ("stat", filesystem.stat.is_some()),
            ("is_directory", filesystem.is_directory.is_some()),
            ("get_file_size", filesystem.get_file_size.is_some()),
            ("get_children", filesystem.get_children.is_some()),
            ("translate_name", filesystem.translate_name.is_some()),
            ("flush_caches", filesystem.flush_caches.is_some()),
            ("random_access_file.read", random_access_file.read.is_some()),
            ("writable_file.append", writable_file.append.is_some()),
            ("writable_file.tell", writable_file.tell.is_some()),
            ("writable_file.flush", writable_file.flush.is_some()),
            ("writable_file.sync", writable_file.sync.is_some()),
            ("writable_file.close", writable_file.close.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
        .collect()
    }

    /// The name that the plugin's operations get for a full path.
    fn translate_name<'py>(&self, py: Python<'py>, path: FullPath) -> PyResult<Bound<'py, PyString>> {
        let (plugin, encoded) = (&*self.plugin, path.encoded());
        match py.detach(|| plugin.translate(encoded)) {
            Some(name) => text(py, name.as_bytes()),
            None => Err(path.error(py, code::INTERNAL, "the plugin's translate_name returned no name")),
        }
    }

    /// Open a file for reading; ``max_read_size`` bounds what the plugin is asked for in one call.
    fn new_random_access_file(&self, py: Python<'_>, path: FullPath, max_read_size: usize) -> PyResult<PluginReader> {
        let handle = self.open(py, &path, "new_random_access_file", |table| {
            table.new_random_access_file
        })?;
        Ok(PluginReader::new(
            Arc::clone(&self.plugin),
            handle.0,
            path,
            max_read_size,
        ))
    }

    /// Make or replace a file; ``max_append_size`` bounds what the plugin is given in one call.
    fn new_writable_file(&self, py: Python<'_>, path: FullPath, max_append_size: usize) -> PyResult<PluginWriter> {
        let handle = self.open(py, &path, "new_writable_file", |table| table.new_writable_file)?;
        Ok(PluginWriter::new(
            Arc::clone(&self.plugin),
            handle.0,
            path,
            max_append_size,
        ))
    }

    /// Open a file for writing at its end.
    fn new_appendable_file(&self, py: Python<'_>, path: FullPath, max_append_size: usize) -> PyResult<PluginWriter> {
        let handle = self.open(py, &path, "new_appendable_file", |table| table.new_appendable_file)?;
        Ok(PluginWriter::new(
            Arc::clone(&self.plugin),
            handle.0,
            path,
            max_append_size,
        ))
    }

    /// Open a file as a memory region, whose bytes stay in the plugin's memory.
    fn new_read_only_memory_region_from_file(&self, py: Python<'_>, path: FullPath) -> PyResult<ReadOnlyMemoryRegion> {
        let name = "new_read_only_memory_region_from_file";
        let handle = self.open(py, &path, name, |table| table.new_read_only_memory_region_from_file)?;
        let region = PluginRegion::new(Arc::clone(&self.plugin), handle.0);
        region
            .map(ReadOnlyMemoryRegion::foreign)
            .map_err(|what| path.error(py, code::INTERNAL, what))
    }

    fn create_dir(&self, py: Python<'_>, path: FullPath) -> PyResult<()> {
        self.on_path_only(py, &path, "create_dir", |table| table.create_dir)
    }

    fn recursively_create_dir(&self, py: Python<'_>, path: FullPath) -> PyResult<()> {
        self.on_path_only(py, &path, "recursively_create_dir", |table| {
            table.recursively_create_dir
        })
    }

    fn delete_file(&self, py: Python<'_>, path: FullPath) -> PyResult<()> {
        self.on_path_only(py, &path, "delete_file", |table| table.delete_file)
    }

    fn delete_dir(&self, py: Python<'_>, path: FullPath) -> PyResult<()> {
        self.on_path_only(py, &path, "delete_dir", |table| table.delete_dir)
    }

    fn path_exists(&self, py: Python<'_>, path: FullPath) -> PyResult<()> {
        self.on_path_only(py, &path, "path_exists", |table| table.path_exists)
    }

    fn rename_file(&self, py: Python<'_>, source: FullPath, target: FullPath) -> PyResult<()> {
        self.on_paths(py, (&source, &target), "rename_file", |table| table.rename_file)
    }

    fn copy_file(&self, py: Python<'_>, source: FullPath, target: FullPath) -> PyResult<()> {
        self.on_paths(py, (&source, &target), "copy_file", |table| table.copy_file)
    }

    /// Return ``(length, mtime_nsec, is_directory)``.
    fn stat(&self, py: Python<'_>, path: FullPath) -> PyResult<(i64, i64, bool)> {
        self.on_path(py, &path, |plugin, handle, translated| {
            let Some(operation) = plugin.tables.filesystem.stat else {
                return lacking("stat");
            };
            let mut found = FileStatistics::default();
            // SAFETY: the filesystem is initialized, and the string ends with a zero.
            with_status(|status| unsafe { operation(handle, translated, &mut found, status) })?;
            Ok((found.length, found.mtime_nsec, found.is_directory != 0))
        })
    }

    /// Tell whether a path is a directory, by the status that the operation sets: what it returns is not looked at.
    fn is_directory(&self, py: Python<'_>, path: FullPath) -> PyResult<bool> {
        self.on_path(py, &path, |plugin, handle, translated| {
            let Some(operation) = plugin.tables.filesystem.is_directory else {
                return lacking("is_directory");
            };
            // SAFETY: as above.
            match with_status(|status| unsafe { operation(handle, translated, status) }) {
                Ok(_) => Ok(true),
                Err((code::FAILED_PRECONDITION, _)) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    fn get_file_size(&self, py: Python<'_>, path: FullPath) -> PyResult<i64> {
        self.on_path(py, &path, |plugin, handle, translated| {
            match plugin.tables.filesystem.get_file_size {
                // SAFETY: as above.
                Some(operation) => with_status(|status| unsafe { operation(handle, translated, status) }),
                None => lacking("get_file_size"),
            }
        })
    }

    /// Return the names in a directory as the plugin gives them.
    fn get_children<'py>(&self, py: Python<'py>, path: FullPath) -> PyResult<Bound<'py, PyList>> {
        let names = self.on_path(py, &path, |plugin, handle, translated| {
            let Some(operation) = plugin.tables.filesystem.get_children else {
                return lacking("get_children");
            };
            let mut names = std::ptr::null_mut();
            // SAFETY: as above.
            let count = with_status(|status| unsafe { operation(handle, translated, &mut names, status) })?;
            take_names(plugin, names, count)
        })?;
        let list = PyList::empty(py);
        for name in names {
            list.append(text(py, &name)?)?;
        }
        Ok(list)
    }

    fn flush_caches(&self, py: Python<'_>) {
        let plugin = &*self.plugin;
        py.detach(|| {
            if let Some(operation) = plugin.tables.filesystem.flush_caches {
                // SAFETY: as above.
                unsafe { operation(&plugin.handle) };
            }
        });
    }
}
