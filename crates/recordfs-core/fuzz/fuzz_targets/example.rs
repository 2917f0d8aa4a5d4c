//! See `example_bodies`.
#![no_main]

#[path = "../example_bodies.rs"]
mod example_bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    example_bodies::parse(data);
    example_bodies::parse_sequence(data);
    example_bodies::decode(data);
});
