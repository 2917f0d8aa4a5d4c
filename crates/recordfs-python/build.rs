//! Compiles the one file that has to be C. The compiler is the one that links Rust programs, so it is there.

fn main() {
    println!("cargo::rerun-if-changed=src/plugin/log.c");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        cc::Build::new()
            .file("src/plugin/log.c")
            .warnings(true)
            .compile("recordfs_plugin_log");
    }
}
