//! Loads a plugin's shared library into this process, without TensorFlow.
//!
//! A plugin is linked against TensorFlow's library, for a dozen C functions. The functions are here, so the plugin is
//! loaded as a copy, in memory, in which these imports are bound to their addresses and TensorFlow's library is needed no
//! more. The system's linker looks for none of the names: neither does the copy take a function of a TensorFlow that is
//! in the process too, nor does a TensorFlow that comes later take one of ours.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use recordfs_core::shared_library::{SharedLibrary, Symbol};

use super::abi::{
    self, FilesystemOps, MemoryRegionOps, PluginInfo, PluginOps, RandomAccessFileOps, WritableFileOps, code,
};
use super::services;

const ENTRY_POINT: &str = "TF_InitPlugin";

#[cfg(target_arch = "x86_64")]
const MACHINE: (u16, &str) = (62, "x86-64");
#[cfg(target_arch = "aarch64")]
const MACHINE: (u16, &str) = (183, "AArch64");
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: (u16, &str) = (0, "this processor, on which plugins are not supported");

/// Before this version the linker of glibc added the library's address to absolute symbols.
const MINIMUM_GLIBC: (u32, u32) = (2, 28);

/// More schemes than this are no number of schemes: TensorFlow itself has fewer than ten.
const MAXIMUM_SCHEME_COUNT: usize = 1024;

/// Why a library cannot be loaded: a status code and what to tell the user.
pub struct LoadError {
    pub code: c_int,
    pub message: String,
}

impl LoadError {
    fn new(code: c_int, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// The operations of one scheme, copied out of the plugin's tables; what a table lacks is None.
pub struct Tables {
    pub scheme: String,
    pub filesystem: FilesystemOps,
    pub random_access_file: RandomAccessFileOps,
    pub writable_file: WritableFileOps,
    pub memory_region: MemoryRegionOps,
    pub free: unsafe extern "C" fn(*mut c_void),
}

/// Loads the library whose bytes `file` has, and asks it for its schemes. What is wrong with one scheme is an error of
/// that scheme; the others are good.
pub fn load(path: &Path, mut file: Vec<u8>) -> Result<Vec<Result<Tables, LoadError>>, LoadError> {
    let library = SharedLibrary::parse(&file).map_err(|error| {
        LoadError::new(
            code::INVALID_ARGUMENT,
            format!("expected a shared library, found {error}"),
        )
    })?;
    check(&library)?;
    let imports_ours = |symbol: &Symbol| !symbol.defined && services::address_of(&symbol.name).is_some();
    let handle = if library.symbols.iter().any(imports_ours) || library.needed.iter().any(|name| is_tensorflow(name)) {
        require_glibc()?;
        preload_neighbours(&library, path);
        library.bind(&mut file, services::address_of, is_tensorflow);
        open_copy(&file)
    } else {
        open(path.as_os_str().as_bytes())
    }
    .map_err(|reason| unloadable(&library, &reason))?;
    // SAFETY: the handle is that of a loaded library, which is never unloaded.
    let entry = unsafe { libc::dlsym(handle, c"TF_InitPlugin".as_ptr()) };
    if entry.is_null() {
        return Err(no_entry_point());
    }
    // SAFETY: a symbol of this name is a function of this type; that is what makes a library a plugin.
    let init = unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut PluginInfo)>(entry) };
    let mut info = PluginInfo {
        scheme_count: 0,
        schemes: std::ptr::null_mut(),
        allocate: None,
        free: None,
    };
    // SAFETY: `info` is what the function fills in.
    unsafe { init(&mut info) };
    take_tables(&info)
}

/// TensorFlow's own libraries, the stub among them that wheels are linked against.
fn is_tensorflow(library: &str) -> bool {
    library.starts_with("libtensorflow_framework.so")
        || library.starts_with("libtensorflow_cc.so")
        || library.starts_with("libtensorflow.so")
}

/// Refuses, before any of its code runs, what can be told from the file.
fn check(library: &SharedLibrary) -> Result<(), LoadError> {
    if library.machine != MACHINE.0 {
        return Err(LoadError::new(
            code::INVALID_ARGUMENT,
            format!(
                "a library for another processor (ELF machine {}); this is {}",
                library.machine, MACHINE.1
            ),
        ));
    }
    if !library.defines(ENTRY_POINT) {
        return Err(no_entry_point());
    }
    let unserved: Vec<&str> = library
        .symbols
        .iter()
        .filter(|symbol| !symbol.defined && !symbol.weak && is_of_tensorflow(&symbol.name))
        .filter(|symbol| services::address_of(&symbol.name).is_none())
        .map(|symbol| symbol.name.as_str())
        .collect();
    match unserved.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(needs_tensorflow(first, unserved.len())),
    }
}

/// Whether only TensorFlow can define a symbol: its C functions, and the C++ of its namespaces and of Abseil's.
fn is_of_tensorflow(symbol: &str) -> bool {
    symbol.starts_with("TF_")
        || symbol.starts_with("TSL_")
        || symbol.starts_with("_Z")
            && ["3tsl", "10tensorflow", "4absl"]
                .iter()
                .any(|namespace| symbol.contains(namespace))
}

fn no_entry_point() -> LoadError {
    LoadError::new(
        code::INVALID_ARGUMENT,
        "a shared library, but no filesystem plugin: it does not export TF_InitPlugin",
    )
}

fn needs_tensorflow(symbol: &str, count: usize) -> LoadError {
    let kind = if symbol.starts_with("_Z") { "C++ " } else { "" };
    LoadError::new(
        code::UNIMPLEMENTED,
        format!(
            "the plugin imports {count} {kind}symbol(s) that only TensorFlow itself defines, such as {symbol}. recordfs \
             serves the C functions that filesystem plugins use; this library can be loaded by TensorFlow only"
        ),
    )
}

fn unloadable(library: &SharedLibrary, reason: &str) -> LoadError {
    let needed = library.needed.join(", ");
    LoadError::new(
        code::FAILED_PRECONDITION,
        format!("the system cannot load the library: {reason}. It needs {needed}"),
    )
}

fn require_glibc() -> Result<(), LoadError> {
    // SAFETY: looks a name up, and calls what has that name in every glibc.
    let version = unsafe {
        let function = libc::dlsym(libc::RTLD_DEFAULT, c"gnu_get_libc_version".as_ptr());
        if function.is_null() {
            None
        } else {
            let function = std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const c_char>(function);
            Some(CStr::from_ptr(function()).to_string_lossy().into_owned())
        }
    };
    let parsed = version.as_deref().and_then(|version| {
        let (major, minor) = version.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    });
    if parsed.is_some_and(|found: (u32, u32)| found >= MINIMUM_GLIBC) {
        return Ok(());
    }
    let found = version.map_or_else(
        || String::from("another C library"),
        |version| format!("glibc {version}"),
    );
    Err(LoadError::new(
        code::UNIMPLEMENTED,
        format!(
            "plugins need glibc {}.{} or newer, found {found}",
            MINIMUM_GLIBC.0, MINIMUM_GLIBC.1
        ),
    ))
}

/// Loads the libraries beside the plugin that it looks for relative to itself (`$ORIGIN`): the copy stands nowhere. What
/// cannot be loaded here is an error of the plugin's own loading.
fn preload_neighbours(library: &SharedLibrary, path: &Path) {
    let (Some(search_path), Some(origin)) = (&library.search_path, path.parent()) else {
        return;
    };
    for name in library.needed.iter().filter(|name| !is_tensorflow(name)) {
        for directory in search_path.split(':') {
            let directory = directory
                .replace("${ORIGIN}", &origin.to_string_lossy())
                .replace("$ORIGIN", &origin.to_string_lossy());
            let candidate = Path::new(&directory).join(name);
            if candidate.is_file() {
                let _ = open(candidate.as_os_str().as_bytes());
                break;
            }
        }
    }
}

/// Loads a library from a copy that exists in memory only.
fn open_copy(file: &[u8]) -> Result<*mut c_void, String> {
    static COPIES: AtomicUsize = AtomicUsize::new(0);
    let describe = |what: &str, error: std::io::Error| format!("{what}: {error}");
    // SAFETY: the name ends with a zero. By its number, because older C libraries have no function for it.
    let descriptor =
        unsafe { libc::syscall(libc::SYS_memfd_create, c"recordfs-plugin".as_ptr(), libc::MFD_CLOEXEC) } as c_int;
    if descriptor < 0 {
        return Err(describe(
            "a file in memory cannot be created",
            std::io::Error::last_os_error(),
        ));
    }
    // SAFETY: the descriptor is new, and nobody else's.
    let mut copy = unsafe { File::from_raw_fd(descriptor) };
    copy.write_all(file)
        .map_err(|error| describe("the library cannot be copied", error))?;
    // The linker takes a path that it knows for the library that it knows, and descriptors are used again: each copy has
    // a path of its own.
    let detours = "./".repeat(COPIES.fetch_add(1, Ordering::Relaxed));
    open(format!("/proc/self/fd/{detours}{}", copy.as_raw_fd()).as_bytes())
}

fn open(path: &[u8]) -> Result<*mut c_void, String> {
    let path = CString::new(path).map_err(|error| error.to_string())?;
    // SAFETY: the string ends with a zero. The library's constructors run; that it is loaded is what was asked for.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if !handle.is_null() {
        return Ok(handle);
    }
    // SAFETY: returns null or a string that is valid until this thread's next call of the linker.
    let reason = unsafe { libc::dlerror() };
    if reason.is_null() {
        return Err(String::from("no reason given"));
    }
    // SAFETY: as above.
    Err(unsafe { CStr::from_ptr(reason) }.to_string_lossy().into_owned())
}

/// Copies all tables, and frees the plugin's.
fn take_tables(info: &PluginInfo) -> Result<Vec<Result<Tables, LoadError>>, LoadError> {
    let (Some(_), Some(free)) = (info.allocate, info.free) else {
        let message =
            "the plugin broke the interface: TF_InitPlugin gave no plugin_memory_allocate or no plugin_memory_free";
        return Err(LoadError::new(code::FAILED_PRECONDITION, message));
    };
    if info.scheme_count == 0 || info.schemes.is_null() {
        return Err(LoadError::new(code::FAILED_PRECONDITION, "the plugin has no schemes"));
    }
    if info.scheme_count > MAXIMUM_SCHEME_COUNT {
        let message = format!(
            "the plugin broke the interface: TF_InitPlugin gave {} schemes, and at most {MAXIMUM_SCHEME_COUNT} are taken",
            info.scheme_count
        );
        return Err(LoadError::new(code::FAILED_PRECONDITION, message));
    }
    // SAFETY: the plugin says that so many tables stand there.
    let schemes = unsafe { std::slice::from_raw_parts(info.schemes, info.scheme_count) };
    let tables = schemes.iter().map(|ops| take_scheme(ops, free)).collect();
    for ops in schemes {
        for table in [
            ops.scheme.cast::<c_void>(),
            ops.filesystem.cast(),
            ops.random_access_file.cast(),
            ops.writable_file.cast(),
            ops.memory_region.cast(),
        ] {
            // SAFETY: the plugin allocated it for the host to free, as TensorFlow does; null too.
            unsafe { free(table) };
        }
    }
    // SAFETY: as above.
    unsafe { free(info.schemes.cast()) };
    Ok(tables)
}

fn take_scheme(ops: &PluginOps, free: unsafe extern "C" fn(*mut c_void)) -> Result<Tables, LoadError> {
    if ops.scheme.is_null() {
        return Err(LoadError::new(
            code::INVALID_ARGUMENT,
            "the plugin has a filesystem without a scheme",
        ));
    }
    // SAFETY: a string of the plugin's that ends with a zero.
    let scheme = unsafe { CStr::from_ptr(ops.scheme) }.to_string_lossy().into_owned();
    let broken = |what: String| LoadError::new(code::FAILED_PRECONDITION, format!("scheme {scheme}: {what}"));
    for (table, found, present) in [
        ("filesystem", ops.filesystem_abi, true),
        (
            "random access file",
            ops.random_access_file_abi,
            !ops.random_access_file.is_null(),
        ),
        ("writable file", ops.writable_file_abi, !ops.writable_file.is_null()),
        ("memory region", ops.memory_region_abi, !ops.memory_region.is_null()),
    ] {
        if present && found != abi::ABI {
            return Err(broken(format!(
                "the plugin was built for ABI {found} of the {table} operations, and this is ABI {}; rebuild it",
                abi::ABI
            )));
        }
    }
    // SAFETY: each pointer is null or leads to a table of the size that stands beside it.
    let tables = unsafe {
        Tables {
            filesystem: copied(ops.filesystem, ops.filesystem_size),
            random_access_file: copied(ops.random_access_file, ops.random_access_file_size),
            writable_file: copied(ops.writable_file, ops.writable_file_size),
            memory_region: copied(ops.memory_region, ops.memory_region_size),
            scheme: scheme.clone(),
            free,
        }
    };
    let filesystem = &tables.filesystem;
    let opens_writers = filesystem.new_writable_file.is_some() || filesystem.new_appendable_file.is_some();
    let region = &tables.memory_region;
    let region_is_whole = region.cleanup.is_some() && region.data.is_some() && region.length.is_some();
    for (present, sound, what) in [
        (
            true,
            filesystem.init.is_some() && filesystem.cleanup.is_some(),
            "the filesystem has no init or no cleanup",
        ),
        (
            filesystem.new_random_access_file.is_some(),
            tables.random_access_file.cleanup.is_some(),
            "files are opened for reading and there is no cleanup for them",
        ),
        (
            opens_writers,
            tables.writable_file.cleanup.is_some(),
            "files are opened for writing and there is no cleanup for them",
        ),
        (
            filesystem.new_read_only_memory_region_from_file.is_some(),
            region_is_whole,
            "memory regions are opened and there is no cleanup, data or length for them",
        ),
    ] {
        if present && !sound {
            return Err(broken(format!("the plugin's tables are incomplete: {what}")));
        }
    }
    Ok(tables)
}

/// A table of ours with what the plugin's has of it; an older plugin's is shorter.
///
/// # Safety
/// `table` is null or leads to `size` bytes. `T` consists of nullable function pointers, which may all be zero.
unsafe fn copied<T: Default + Copy>(table: *const T, size: usize) -> T {
    let mut copy = T::default();
    if !table.is_null() {
        let size = size.min(size_of::<T>());
        // SAFETY: as promised to this function.
        unsafe { std::ptr::copy_nonoverlapping(table.cast::<u8>(), std::ptr::from_mut(&mut copy).cast::<u8>(), size) };
    }
    copy
}
