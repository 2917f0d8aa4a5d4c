//! CRC-32C of data the size of a record, 64 bytes a step, on processors with AVX-512 and VPCLMULQDQ.
//!
//! A payload has a few hundred or thousand bytes. General code spends its time there on what does not fill its blocks: the
//! bytes before an aligned address and those after the last block, eight at a time, each step waiting for the one before.
//! Here the data is thought to begin with as many zeros as make it whole blocks. They change nothing, because a CRC is the
//! rest of a division, and nothing is left over.
//!
//! Source of the method: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel,
//! 2009.

use std::arch::x86_64::{
    __m512i, _mm_crc32_u8, _mm_crc32_u64, _mm_cvtsi32_si128, _mm_cvtsi128_si64, _mm_extract_epi64, _mm_set_epi64x,
    _mm_xor_si128, _mm512_broadcast_i32x4, _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32, _mm512_loadu_si512,
    _mm512_maskz_permutexvar_epi8, _mm512_set_epi64, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_sub_epi8,
    _mm512_ternarylogic_epi64, _mm512_xor_si512, _mm512_zextsi128_si512,
};

/// Bytes in a register.
const BLOCK: usize = 64;

/// Blocks that are folded side by side, because a multiplication takes as long as beginning several.
const LANES: usize = 4;

/// The polynomial without its highest term, reflected: bit 31 stands for 1, bit 0 for x^31. Source: RFC 3720, 12.1.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x^`exponent` modulo the polynomial, reflected.
const fn power_of_x(exponent: usize) -> i64 {
    let mut power = 1u32 << 31;
    let mut count = 0;
    while count < exponent {
        power = (power >> 1) ^ if power & 1 == 1 { POLYNOMIAL } else { 0 };
        count += 1;
    }
    power as i64
}

/// What takes the two halves of 16 bytes `distance` bytes further: the first half's factor, and the second's.
///
/// The first half stands 64 bits before the second. A product of reflected numbers comes out one bit off, and a factor of
/// 32 bits in a register of 64 stands for x^32 times itself: that makes 33.
const fn factors(distance: usize) -> (i64, i64) {
    let bits = 8 * distance;
    (power_of_x(bits + 64 - 33), power_of_x(bits - 33))
}

const ONE_BLOCK: (i64, i64) = factors(BLOCK);
const TWO_BLOCKS: (i64, i64) = factors(2 * BLOCK);
const THREE_BLOCKS: (i64, i64) = factors(3 * BLOCK);
const ALL_LANES: (i64, i64) = factors(LANES * BLOCK);

/// The quarters of a block to where its last one stands.
const FIRST_QUARTER: (i64, i64) = factors(48);
const SECOND_QUARTER: (i64, i64) = factors(32);
const THIRD_QUARTER: (i64, i64) = factors(16);

/// 0 to 63.
const PLACES: [u8; BLOCK] = {
    let mut places = [0; BLOCK];
    let mut place = 0;
    while place < BLOCK {
        places[place] = place as u8;
        place += 1;
    }
    places
};

/// Whether this processor has the instructions.
#[inline]
pub(super) fn is_available() -> bool {
    std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512vbmi")
        && std::is_x86_feature_detected!("vpclmulqdq")
        && std::is_x86_feature_detected!("sse4.2")
}

/// The CRC-32C of data of two blocks or more.
///
/// # Panics
/// If it is shorter than one.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,vpclmulqdq,sse4.2")]
pub(super) fn crc32c(data: &[u8]) -> u32 {
    // The bits of a CRC so far are added to the next four bytes, so that the first block needs as many.
    let odd = Some(data.len() % BLOCK).filter(|&odd| odd < 4).unwrap_or(0);
    let (odd, data) = data.split_at(odd);
    let crc = odd.iter().fold(!0, |crc, byte| _mm_crc32_u8(crc, *byte));

    let head = (data.len() - 1) % BLOCK + 1;
    let first = data.first_chunk().expect("a block or more");
    let crc = _mm512_zextsi128_si512(_mm_cvtsi32_si128(crc as i32));
    let first = at_the_end(_mm512_xor_si512(load(first), crc), head);

    let blocks = data[head..].as_chunks::<BLOCK>().0;
    let (few, many) = blocks.split_at(blocks.len() % LANES);
    let none = _mm512_setzero_si512();
    let mut lanes = match few {
        [] => [none, none, none, first],
        [second] => [none, none, first, load(second)],
        [second, third] => [none, first, load(second), load(third)],
        [second, third, fourth, ..] => [first, load(second), load(third), load(fourth)],
    };
    for row in many.as_chunks::<LANES>().0 {
        for (lane, block) in lanes.iter_mut().zip(row) {
            *lane = moved_onto(*lane, ALL_LANES, load(block));
        }
    }
    let [a, b, c, d] = lanes;
    let sum = moved_onto(a, THREE_BLOCKS, moved_onto(b, TWO_BLOCKS, moved_onto(c, ONE_BLOCK, d)));
    crc_of_block(sum)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: a block has as many bytes as are loaded.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// The first `size` bytes of a block, after zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn at_the_end(block: __m512i, size: usize) -> __m512i {
    let missing = BLOCK - size;
    let places = _mm512_sub_epi8(load(&PLACES), _mm512_set1_epi8(missing as i8));
    _mm512_maskz_permutexvar_epi8(u64::MAX << missing, places, block)
}

/// A block taken as much further as the factors say, added to another.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn moved_onto(block: __m512i, (first, second): (i64, i64), other: __m512i) -> __m512i {
    let factors = _mm512_broadcast_i32x4(_mm_set_epi64x(second, first));
    multiplied_and_added(block, factors, other)
}

/// The halves of 16 bytes, each times its factor, added to each other and to `other`.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn multiplied_and_added(block: __m512i, factors: __m512i, other: __m512i) -> __m512i {
    /// The truth table of the sum of three bits without carry.
    const SUM: i32 = 0x96;
    let first = _mm512_clmulepi64_epi128::<0x00>(block, factors);
    let second = _mm512_clmulepi64_epi128::<0x11>(block, factors);
    _mm512_ternarylogic_epi64::<SUM>(first, second, other)
}

/// The CRC of a block to which the bits of the CRC before it were added.
#[target_feature(enable = "avx512f,vpclmulqdq,sse4.2")]
#[inline]
fn crc_of_block(block: __m512i) -> u32 {
    let [(a, b), (c, d), (e, f)] = [FIRST_QUARTER, SECOND_QUARTER, THIRD_QUARTER];
    let factors = _mm512_set_epi64(0, 0, f, e, d, c, b, a);
    let moved = multiplied_and_added(block, factors, _mm512_setzero_si512());
    let first = _mm512_extracti32x4_epi32::<0>(moved);
    let second = _mm512_extracti32x4_epi32::<1>(moved);
    let third = _mm512_extracti32x4_epi32::<2>(moved);
    let last = _mm512_extracti32x4_epi32::<3>(block);
    let sum = _mm_xor_si128(_mm_xor_si128(first, second), _mm_xor_si128(third, last));
    let crc = _mm_crc32_u64(0, _mm_cvtsi128_si64(sum) as u64);
    // The instruction leaves the upper half zero.
    !(_mm_crc32_u64(crc, _mm_extract_epi64::<1>(sum) as u64) as u32)
}
