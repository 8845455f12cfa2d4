//! Interpolation of 8 elements at a time with AVX2 and F16C; the ends of rows are done one by one.

use std::arch::x86_64::{
    __m128i, __m256, _CMP_UNORD_Q, _MM_FROUND_TO_NEAREST_INT, _mm_loadu_si128, _mm_packus_epi32, _mm_storeu_si128,
    _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_cvtps_ph,
    _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_storeu_ps,
};

use half::{bf16, f16};

use super::baseline;
use crate::dtype::Float;

/// Elements of a vector.
const LANES: usize = 8;

/// An element type whose vectors AVX2 and F16C widen to f32 and narrow again.
pub(crate) trait Lanes: Float {
    /// The eight elements at `from`, in f32.
    ///
    /// # Safety
    /// The CPU has AVX2 and F16C, and eight elements can be read.
    unsafe fn load(from: *const Self) -> __m256;

    /// Rounds each lane, of which none is a NaN other than the canonical one, to nearest even, and writes it.
    ///
    /// # Safety
    /// The CPU has AVX2 and F16C, and eight elements can be written.
    unsafe fn store(to: *mut Self, lanes: __m256);
}

impl Lanes for f32 {
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: the caller guarantees that eight elements can be read.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn store(to: *mut Self, lanes: __m256) {
        // SAFETY: the caller guarantees that eight elements can be written.
        unsafe { _mm256_storeu_ps(to, lanes) }
    }
}

impl Lanes for f16 {
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: the caller guarantees that eight elements can be read.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(from.cast::<__m128i>()) })
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn store(to: *mut Self, lanes: __m256) {
        let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(lanes);
        // SAFETY: the caller guarantees that eight elements can be written.
        unsafe { _mm_storeu_si128(to.cast::<__m128i>(), halves) }
    }
}

impl Lanes for bf16 {
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: the caller guarantees that eight elements can be read.
        let halves = unsafe { _mm_loadu_si128(from.cast::<__m128i>()) };
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn store(to: *mut Self, lanes: __m256) {
        // As in `avx512`: half of the last kept unit, less one where the kept part is even, is added.
        let bits = _mm256_castps_si256(lanes);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
        let wide = _mm256_srli_epi32::<16>(rounded);
        let halves = _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide));
        // SAFETY: the caller guarantees that eight elements can be written.
        unsafe { _mm_storeu_si128(to.cast::<__m128i>(), halves) }
    }
}

/// [`baseline::blend`] for rows of equal length.
#[target_feature(enable = "avx2,f16c")]
pub(super) fn blend<E: Lanes>(low: &[E], high: &[E], weight: f32, out: &mut [E]) {
    let whole = out.len() / LANES * LANES;
    assert!(low.len() == out.len() && high.len() == out.len());
    let (weights, complements) = (_mm256_set1_ps(weight), _mm256_set1_ps(1.0 - weight));
    for offset in (0..whole).step_by(LANES) {
        // SAFETY: this function's features are those that `Lanes` needs, and all three rows have at least `whole`
        // elements, a multiple of `LANES`.
        unsafe {
            let low = _mm256_mul_ps(E::load(low.as_ptr().add(offset)), complements);
            let high = _mm256_mul_ps(E::load(high.as_ptr().add(offset)), weights);
            E::store(out.as_mut_ptr().add(offset), canonical(_mm256_add_ps(low, high)));
        }
    }
    baseline::blend(&low[whole..], &high[whole..], weight, &mut out[whole..]);
}

/// Lanes with every NaN replaced by the canonical one.
#[inline]
#[target_feature(enable = "avx2")]
fn canonical(lanes: __m256) -> __m256 {
    let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(lanes, lanes);
    _mm256_blendv_ps(lanes, _mm256_set1_ps(f32::NAN), nan)
}
