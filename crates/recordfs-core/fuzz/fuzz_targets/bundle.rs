//! See `bundle_bodies`.
#![no_main]

#[path = "../bundle_bodies.rs"]
mod bundle_bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bundle_bodies::index(data);
    bundle_bodies::strings(data);
    bundle_bodies::graph(data);
});
