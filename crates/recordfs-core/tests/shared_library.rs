//! Reading ELF files: a real one, and real ones in which any bytes are wrong.

use proptest::prelude::*;
use recordfs_core::shared_library::{LibraryError, SharedLibrary};

/// This test's own program, which is position-independent and so has all parts of a shared library.
fn real_file() -> Vec<u8> {
    let path = std::env::current_exe().expect("a running program has a file");
    std::fs::read(path).expect("which can be read")
}

#[test]
fn a_real_file_tells_what_it_needs_and_imports() {
    let library = SharedLibrary::parse(&real_file()).expect("sound");
    assert!(library.needed.iter().any(|name| name.starts_with("libc.so")));
    let imported = |name: &str| {
        library
            .symbols
            .iter()
            .any(|symbol| !symbol.defined && symbol.name == name)
    };
    assert!(imported("malloc"));
    assert!(!library.defines("malloc"));
}

#[test]
fn binding_makes_an_import_absolute_and_drops_libraries() {
    let mut file = real_file();
    let library = SharedLibrary::parse(&file).expect("sound");
    library.bind(
        &mut file,
        |name| (name == "malloc").then_some(0x1234_5678_9abc),
        |name| name.starts_with("libc.so"),
    );
    let bound = SharedLibrary::parse(&file).expect("still sound");
    assert!(bound.defines("malloc"));
    assert_eq!(bound.symbols.len(), library.symbols.len());
    assert_eq!(bound.needed.len(), library.needed.len() - 1);
}

#[test]
fn other_files_are_told_apart() {
    assert_eq!(SharedLibrary::parse(b"").unwrap_err(), LibraryError::NotElf);
    assert_eq!(SharedLibrary::parse(b"MZ").unwrap_err(), LibraryError::NotElf);
    assert_eq!(SharedLibrary::parse(b"\x7fELF").unwrap_err(), LibraryError::OtherKind);
}

proptest! {
    // Each case reads a file of some megabytes.
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Wrong numbers give an error or another library, never a read outside of the file; so does what follows.
    #[test]
    fn any_damage_is_an_error_or_harmless(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        head_only in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut file = real_file();
        let length = file.len();
        for (position, byte) in damage {
            // The numbers that lead elsewhere stand in the header and in the tables of segments.
            let position = if head_only { position.index(1024) } else { position.index(length) };
            file[position] = byte;
        }
        if is_cut {
            file.truncate(cut.index(length));
        }
        if let Ok(library) = SharedLibrary::parse(&file) {
            library.bind(&mut file, |name| Some(name.len()), |name| name.len() % 2 == 0);
        }
    }
}
