//! Interpolation of 16 elements at a time with AVX-512; the ends of rows are masked.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _CMP_UNORD_Q, _MM_FROUND_TO_NEAREST_INT, _mm256_mask_storeu_epi16,
    _mm256_maskz_loadu_epi16, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_cvtph_ps,
    _mm512_cvtps_ph, _mm512_loadu_si512, _mm512_mask_blend_epi16, _mm512_mask_mov_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32, _mm512_srli_epi32,
    _mm512_storeu_si512,
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

    /// [`super::baseline::blend`] of the first elements, as many as it says, for types that have a faster way than 16
    /// at a time.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW and VL.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn blend_first(_: &[Self], _: &[Self], _: f32, _: &mut [Self]) -> usize {
        0
    }
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
        let halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded_to_bf16(lanes)));
        // SAFETY: masked lanes are not accessed; the others can be written, which the caller guarantees.
        unsafe { _mm256_mask_storeu_epi16(to.cast(), mask, halves) }
    }

    /// Two elements share a lane of 32 bits: each is widened and narrowed where it lies, without crossing lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn blend_first(low: &[Self], high: &[Self], weight: f32, out: &mut [Self]) -> usize {
        let upper = _mm512_set1_epi32(0xFFFF_0000_u32 as i32);
        let (weight, complement) = (_mm512_set1_ps(weight), _mm512_set1_ps(1.0 - weight));
        let rows = low.chunks_exact(2 * LANES).zip(high.chunks_exact(2 * LANES));
        for ((low, high), out) in rows.zip(out.chunks_exact_mut(2 * LANES)) {
            // SAFETY: each chunk is as long as a vector.
            let [low, high] = [low, high].map(|row| unsafe { _mm512_loadu_si512(row.as_ptr().cast()) });
            let [first, second] = [
                [low, high].map(|row| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(row))),
                [low, high].map(|row| _mm512_castsi512_ps(_mm512_and_si512(row, upper))),
            ]
            .map(|[low, high]| rounded_to_bf16(mix(low, high, weight, complement)));
            let pairs = _mm512_mask_blend_epi16(0xAAAA_AAAA, _mm512_srli_epi32::<16>(first), second);
            // SAFETY: as above.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), pairs) };
        }
        out.len() / (2 * LANES) * (2 * LANES)
    }
}

/// The bits of each lane, of which the upper half is the lane rounded to bf16 and the lower half is anything.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounded_to_bf16(lanes: __m512) -> __m512i {
    // Half of the last kept unit, less one where the kept part is even, is added before the low half is dropped: ties
    // go to even, and the carry out of the largest finite fraction gives infinity.
    let bits = _mm512_castps_si512(lanes);
    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)))
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
    let length = out.len();
    assert!(low.len() == length && high.len() == length);
    // SAFETY: this function's features are those that `Lanes` needs.
    let first = unsafe { E::blend_first(low, high, weight, out) };
    let (weight, complement) = (_mm512_set1_ps(weight), _mm512_set1_ps(1.0 - weight));
    let blend = |offset: usize, mask: u16, out: &mut [E]| {
        // SAFETY: as above, and `mask` selects only elements below
        // `length`, which all three rows have.
        unsafe {
            let low = E::load(low.as_ptr().add(offset), mask);
            let high = E::load(high.as_ptr().add(offset), mask);
            E::store(out.as_mut_ptr().add(offset), mask, mix(low, high, weight, complement));
        }
    };
    let whole = length / LANES * LANES;
    for offset in (first..whole).step_by(LANES) {
        blend(offset, u16::MAX, out);
    }
    if whole < length {
        blend(whole, (1 << (length - whole)) - 1, out);
    }
}

/// `low * complement + high * weight`, each NaN replaced by the canonical one.
#[inline]
#[target_feature(enable = "avx512f")]
fn mix(low: __m512, high: __m512, weight: __m512, complement: __m512) -> __m512 {
    canonical(_mm512_add_ps(_mm512_mul_ps(low, complement), _mm512_mul_ps(high, weight)))
}

/// Lanes with every NaN replaced by the canonical one.
#[inline]
#[target_feature(enable = "avx512f")]
fn canonical(lanes: __m512) -> __m512 {
    let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lanes, lanes);
    _mm512_mask_mov_ps(lanes, nan, _mm512_set1_ps(f32::NAN))
}
