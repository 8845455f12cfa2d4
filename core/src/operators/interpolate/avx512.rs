//! Interpolation of 16 elements at a time with AVX-512; the ends of rows are masked.

use std::arch::x86_64::{
    __m256i, __m512, _CMP_UNORD_Q, _MM_FROUND_TO_NEAREST_INT, _mm256_mask_storeu_epi16, _mm256_maskz_loadu_epi16,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_mask_mov_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32,
    _mm512_srli_epi32,
};

use half::{bf16, f16};

/// Elements of a vector.
const LANES: usize = 16;

/// An element type whose vectors AVX-512 widens to f32 and narrows again.
pub(crate) trait Lanes: Sized {
    /// The elements at `from` whose bit of `mask` is set, in f32; the other lanes are zero.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW and VL, and the selected elements can be read.
    unsafe fn load(from: *const Self, mask: u16) -> __m512;

    /// Rounds each lane, of which none is a NaN other than the canonical one, to nearest even, and writes those whose
    /// bit of `mask` is set.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW and VL, and the selected elements can be written.
    unsafe fn store(to: *mut Self, mask: u16, lanes: __m512);
}

impl Lanes for f32 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const Self, mask: u16) -> __m512 {
        // SAFETY: masked lanes are not accessed; the others can be read, which the caller guarantees.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn store(to: *mut Self, mask: u16, lanes: __m512) {
        // SAFETY: masked lanes are not accessed; the others can be written, which the caller guarantees.
        unsafe { _mm512_mask_storeu_ps(to, mask, lanes) }
    }
}

impl Lanes for f16 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const Self, mask: u16) -> __m512 {
        // SAFETY: the caller's guarantee is passed on.
        _mm512_cvtph_ps(unsafe { load_halves(from.cast(), mask) })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn store(to: *mut Self, mask: u16, lanes: __m512) {
        let halves = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(lanes);
        // SAFETY: masked lanes are not accessed; the others can be written, which the caller guarantees.
        unsafe { _mm256_mask_storeu_epi16(to.cast(), mask, halves) }
    }
}

impl Lanes for bf16 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const Self, mask: u16) -> __m512 {
        // SAFETY: the caller's guarantee is passed on.
        let halves = unsafe { load_halves(from.cast(), mask) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn store(to: *mut Self, mask: u16, lanes: __m512) {
        // Half of the last kept unit, less one where the kept part is even, is added before the low half is dropped:
        // ties go to even, and the carry out of the largest finite fraction gives infinity.
        let bits = _mm512_castps_si512(lanes);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
        let halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded));
        // SAFETY: masked lanes are not accessed; the others can be written, which the caller guarantees.
        unsafe { _mm256_mask_storeu_epi16(to.cast(), mask, halves) }
    }
}

/// # Safety
/// The CPU has AVX-512 BW and VL, and the selected elements can be read.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl")]
unsafe fn load_halves(from: *const i16, mask: u16) -> __m256i {
    // SAFETY: masked lanes are not accessed; the others can be read, which the caller guarantees.
    unsafe { _mm256_maskz_loadu_epi16(mask, from) }
}

/// [`super::baseline::blend`] for rows of equal length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn blend<E: Lanes>(low: &[E], high: &[E], weight: f32, out: &mut [E]) {
    let (weight, complement) = (_mm512_set1_ps(weight), _mm512_set1_ps(1.0 - weight));
    let length = out.len();
    assert!(low.len() == length && high.len() == length);
    let mix = |offset: usize, mask: u16, out: &mut [E]| {
        // SAFETY: this function's features are those that `Lanes` needs, and `mask` selects only elements below
        // `length`, which all three rows have.
        unsafe {
            let low = _mm512_mul_ps(E::load(low.as_ptr().add(offset), mask), complement);
            let high = _mm512_mul_ps(E::load(high.as_ptr().add(offset), mask), weight);
            E::store(out.as_mut_ptr().add(offset), mask, canonical(_mm512_add_ps(low, high)));
        }
    };
    let whole = length / LANES * LANES;
    for offset in (0..whole).step_by(LANES) {
        mix(offset, u16::MAX, out);
    }
    if whole < length {
        mix(whole, (1 << (length - whole)) - 1, out);
    }
}

/// Lanes with every NaN replaced by the canonical one.
#[inline]
#[target_feature(enable = "avx512f")]
fn canonical(lanes: __m512) -> __m512 {
    let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lanes, lanes);
    _mm512_mask_mov_ps(lanes, nan, _mm512_set1_ps(f32::NAN))
}
